# A dataset per layer that BigQuery has. `staging` is where load jobs put tables before they are published.
# What was deleted can be read again for 48 hours, the least that BigQuery allows: an erasure cannot shorten it afterwards, and its
# certificate says the longest of all (docs/cloud.md). Computed tables hold people where they have a row for each, the ledger where
# a file was named for someone.
resource "google_bigquery_dataset" "layer" {
  for_each = toset(["staging", "raw", "validated", "quarantine", "indicators", "products", "platform"])

  dataset_id                 = each.value
  location                   = var.region
  delete_contents_on_destroy = false
  max_time_travel_hours      = 48

  default_table_expiration_ms = each.value == "staging" ? 86400000 : null

  default_encryption_configuration {
    kms_key_name = google_kms_crypto_key.data.id
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

# A query that goes wrong costs a day's quota, not a month's money. (Each job has its own limit besides: maximum bytes billed.)
resource "google_service_usage_consumer_quota_override" "scan" {
  provider       = google-beta
  service        = "bigquery.googleapis.com"
  metric         = urlencode("bigquery.googleapis.com/quota/query/usage")
  limit          = urlencode("/d/project")
  override_value = var.maximum_bytes_billed_per_day * 1048576 # the quota counts MiB
  force          = true

  depends_on = [google_project_service.used]
}

resource "google_bigquery_dataset_iam_member" "run" {
  for_each = google_bigquery_dataset.layer

  dataset_id = each.value.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.role["run"].member
}

# where BigQuery is the engine, the console counts what an erasure would touch
resource "google_bigquery_dataset_iam_member" "console" {
  for_each = toset(["raw", "validated", "quarantine", "indicators", "products", "platform"])

  dataset_id = google_bigquery_dataset.layer[each.value].dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.role["console"].member
}
