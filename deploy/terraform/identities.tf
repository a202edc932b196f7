# One Google service account per role in the cluster, used through workload identity: there are no keys to lose.
locals {
  roles = toset(["daemon", "web", "viewer", "code", "run", "console", "dashboard", "alerts", "proxy", "postgres", "secrets"])

  # role -> what it may do in the whole project; data are granted bucket by bucket and dataset by dataset
  project_roles = {
    "postgres cloudsql" = { role = "postgres", grant = "roles/cloudsql.client" }
    "run bigquery"      = { role = "run", grant = "roles/bigquery.jobUser" }
    "console bigquery"  = { role = "console", grant = "roles/bigquery.jobUser" }
  }

  # role -> bucket -> what
  bucket_roles = {
    "run landing"     = { role = "run", bucket = google_storage_bucket.landing.name, grant = "roles/storage.objectUser" }
    "run lake"        = { role = "run", bucket = google_storage_bucket.lake.name, grant = "roles/storage.objectUser" }
    "code landing"    = { role = "code", bucket = google_storage_bucket.landing.name, grant = "roles/storage.objectViewer" }
    "code lake"       = { role = "code", bucket = google_storage_bucket.lake.name, grant = "roles/storage.objectViewer" }
    "console landing" = { role = "console", bucket = google_storage_bucket.landing.name, grant = "roles/storage.objectUser" }
    "console lake"    = { role = "console", bucket = google_storage_bucket.lake.name, grant = "roles/storage.objectUser" }
    # it reads releases and own rows; it writes the audit log, and what an organisation disputes
    "dashboard landing" = { role = "dashboard", bucket = google_storage_bucket.landing.name, grant = "roles/storage.objectUser" }
    "dashboard lake"    = { role = "dashboard", bucket = google_storage_bucket.lake.name, grant = "roles/storage.objectUser" }
    # what a bucket keeps of removed objects (soft delete) is the bucket's to tell: an erasure's certificate says it
    "run landing settings"     = { role = "run", bucket = google_storage_bucket.landing.name, grant = "roles/storage.legacyBucketReader" }
    "run lake settings"        = { role = "run", bucket = google_storage_bucket.lake.name, grant = "roles/storage.legacyBucketReader" }
    "console landing settings" = { role = "console", bucket = google_storage_bucket.landing.name, grant = "roles/storage.legacyBucketReader" }
    "console lake settings"    = { role = "console", bucket = google_storage_bucket.lake.name, grant = "roles/storage.legacyBucketReader" }

    # who writes entries adds heads, and looks whether there is a later one; to overwrite or remove takes another right
    "run heads"            = { role = "run", bucket = google_storage_bucket.heads.name, grant = "roles/storage.objectCreator" }
    "run heads seen"       = { role = "run", bucket = google_storage_bucket.heads.name, grant = "roles/storage.objectViewer" }
    "console heads"        = { role = "console", bucket = google_storage_bucket.heads.name, grant = "roles/storage.objectCreator" }
    "console heads seen"   = { role = "console", bucket = google_storage_bucket.heads.name, grant = "roles/storage.objectViewer" }
    "dashboard heads"      = { role = "dashboard", bucket = google_storage_bucket.heads.name, grant = "roles/storage.objectCreator" }
    "dashboard heads seen" = { role = "dashboard", bucket = google_storage_bucket.heads.name, grant = "roles/storage.objectViewer" }

    "alerts state" = { role = "alerts", bucket = google_storage_bucket.state.name, grant = "roles/storage.objectUser" }
    "run state"    = { role = "run", bucket = google_storage_bucket.state.name, grant = "roles/storage.objectUser" }
  }
}

resource "google_service_account" "role" {
  for_each = local.roles

  account_id   = "platform-${each.value}"
  display_name = "Platform: ${each.value}"

  depends_on = [google_project_service.used]
}

resource "google_service_account_iam_member" "workload" {
  for_each = local.roles

  service_account_id = google_service_account.role[each.value].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${var.namespace}/platform-${each.value}]"

  depends_on = [google_container_cluster.platform]
}

resource "google_project_iam_member" "role" {
  for_each = local.project_roles

  project = var.project
  role    = each.value.grant
  member  = google_service_account.role[each.value.role].member
}

resource "google_storage_bucket_iam_member" "role" {
  for_each = local.bucket_roles

  bucket = each.value.bucket
  role   = each.value.grant
  member = google_service_account.role[each.value.role].member
}

# what the cluster's nodes are: they write logs and metrics and pull images
resource "google_service_account" "nodes" {
  account_id   = "platform-nodes"
  display_name = "Platform: nodes"

  depends_on = [google_project_service.used]
}

resource "google_project_iam_member" "nodes" {
  for_each = toset(["roles/container.defaultNodeServiceAccount"])

  project = var.project
  role    = each.value
  member  = google_service_account.nodes.member
}

resource "google_artifact_registry_repository_iam_member" "nodes" {
  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes.member
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "platform"
  location      = var.region
  format        = "DOCKER"
  kms_key_name  = google_kms_crypto_key.data.id

  docker_config {
    immutable_tags = true
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}
