# One key encrypts what the platform keeps. Losing it loses the data: it cannot be destroyed by Terraform.
resource "google_kms_key_ring" "platform" {
  name     = "platform"
  location = var.region

  depends_on = [google_project_service.used]
}

resource "google_kms_crypto_key" "data" {
  name            = "data"
  key_ring        = google_kms_key_ring.platform.id
  rotation_period = "7776000s" # 90 days

  lifecycle {
    prevent_destroy = true
  }
}

# Google's own agents encrypt with it, nobody else.
locals {
  number = data.google_project.this.number

  key_users = {
    storage   = "service-${local.number}@gs-project-accounts.iam.gserviceaccount.com"
    bigquery  = "bq-${local.number}@bigquery-encryption.iam.gserviceaccount.com"
    sql       = google_project_service_identity.sql.email
    container = "service-${local.number}@container-engine-robot.iam.gserviceaccount.com"
    registry  = "service-${local.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
    secrets   = google_project_service_identity.secrets.email
  }
}

data "google_project" "this" {}

resource "google_project_service_identity" "sql" {
  provider = google-beta

  service = "sqladmin.googleapis.com"
}

resource "google_project_service_identity" "secrets" {
  provider = google-beta

  service = "secretmanager.googleapis.com"
}

resource "google_kms_crypto_key_iam_member" "agents" {
  for_each = local.key_users

  crypto_key_id = google_kms_crypto_key.data.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"
}
