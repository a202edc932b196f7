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

# Google's own agents encrypt with it, nobody else. In a new project most of them do not exist until they are asked for, and a right for
# nobody is refused: the two data sources and the identities below make them. The agent of Compute Engine cannot be asked for; it comes
# with the API. (The data sources name the project by way of its API, not by depends_on, so that they are not read anew, and all rights
# replaced, whenever another API is added.)
locals {
  agents = {
    sql       = "sqladmin.googleapis.com"
    container = "container.googleapis.com"
    registry  = "artifactregistry.googleapis.com"
    secrets   = "secretmanager.googleapis.com"
  }

  key_users = merge({ for name, identity in google_project_service_identity.agent : name => identity.email }, {
    storage  = data.google_storage_project_service_account.this.email_address
    bigquery = data.google_bigquery_default_service_account.this.email
    compute  = "service-${data.google_project.this.number}@compute-system.iam.gserviceaccount.com" # the nodes' disks
  })
}

data "google_project" "this" {
  project_id = google_project_service.used["cloudresourcemanager.googleapis.com"].project
}

data "google_storage_project_service_account" "this" {
  project = google_project_service.used["storage.googleapis.com"].project
}

data "google_bigquery_default_service_account" "this" {
  project = google_project_service.used["bigquery.googleapis.com"].project
}

resource "google_project_service_identity" "agent" {
  provider = google-beta
  for_each = local.agents

  service = google_project_service.used[each.value].service
}

resource "google_kms_crypto_key_iam_member" "agents" {
  for_each = local.key_users

  crypto_key_id = google_kms_crypto_key.data.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"

  depends_on = [google_project_service.used] # the agent of Compute Engine comes with the API
}
