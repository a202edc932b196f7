# landing: deliveries, archive, rejected files and products. lake: the warehouse's Parquet files. state: what the alerts remember.
# logs: who read and wrote them. heads: where the audit log ended after each entry; nobody can take that back.
resource "google_storage_bucket" "logs" {
  #checkov:skip=CKV_GCP_62:the bucket that access logs are written to does not log its own
  name                        = "${var.project}-access-logs"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.data.id
  }

  lifecycle_rule {
    condition {
      age = 400
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

# Cloud Storage delivers access logs by this group; with uniform access it needs the right said.
resource "google_storage_bucket_iam_member" "logs" {
  bucket = google_storage_bucket.logs.name
  role   = "roles/storage.objectCreator"
  member = "group:cloud-storage-analytics@google.com"
}

resource "google_storage_bucket" "landing" {
  name                        = "${var.project}-landing"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # a delivery that was overwritten or deleted by mistake can be brought back for a few days; erasure counts on this end
  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.data.id
  }

  logging {
    log_bucket = google_storage_bucket.logs.name
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.noncurrent_days
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age            = var.archive_days
      matches_prefix = ["archive/"]
    }
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
  }

  # uploads that were begun and never finished
  lifecycle_rule {
    condition {
      age = 7
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

resource "google_storage_bucket" "lake" {
  name                        = "${var.project}-lake"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # the lake keeps its own history (snapshots); versions here are for accidents
  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.data.id
  }

  logging {
    log_bucket = google_storage_bucket.logs.name
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.noncurrent_days
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age = 7
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

# A bucket of its own, because a right on a part of one (a condition on the name) holds for objects that are there only: who may not
# list the bucket is told 403, not 404, of an object that does not exist, and the first look would fail.
resource "google_storage_bucket" "state" {
  name                        = "${var.project}-state"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.data.id
  }

  logging {
    log_bucket = google_storage_bucket.logs.name
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.noncurrent_days
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

# Heads of the audit log, one small object per entry, named by number and hash; no data of patients. Whoever can write the other buckets
# could put the log and its head back to an earlier state together; what stands here, nobody can overwrite or remove before its time, an
# owner of the project neither once the policy is locked. So there are no versions to keep, and an erasure has nothing to look for here.
resource "google_storage_bucket" "heads" {
  #checkov:skip=CKV_GCP_78:nothing is overwritten or removed while it is retained, so there are no versions
  name                        = "${var.project}-audit-heads"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  retention_policy {
    retention_period = var.audit_days * 86400
    is_locked        = var.lock_audit_heads
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.data.id
  }

  logging {
    log_bucket = google_storage_bucket.logs.name
  }

  lifecycle_rule {
    condition {
      age = var.audit_days
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}
