# The secrets' places. Their values are put in by hand or by a rotation job, never by Terraform: its state would keep them.
locals {
  # Only those that are used: the operator takes every secret of this name, and fails at one that has no version yet.
  alert_secrets = {
    mail  = "platform-alert-smtp-password"
    slack = "platform-alert-slack-webhook"
    teams = "platform-alert-teams-webhook"
  }

  secrets = toset(concat([for channel in var.alert_channels : local.alert_secrets[channel]], [
    "platform-postgres-password",
    "platform-hmac-key-id",
    "platform-hmac-secret",
    "platform-identity-key-sample-id",
    "platform-identity-key-stay-id",
    "platform-identity-key-operation-id",
    "platform-identity-key-erasure",
    "platform-identity-key-audit",
    "platform-identity-key-release",
    "platform-console-client-secret",
    "platform-console-cookie-secret",
    "platform-dashboard-client-secret",
    "platform-dashboard-cookie-secret",
    "platform-proxy-client-secret",
    "platform-proxy-cookie-secret",
  ]))
}

resource "google_secret_manager_secret" "platform" {
  for_each = local.secrets

  secret_id = each.value

  replication {
    user_managed {
      replicas {
        location = var.region

        customer_managed_encryption {
          kms_key_name = google_kms_crypto_key.data.id
        }
      }
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

# only the operator that copies them into the cluster reads them
resource "google_secret_manager_secret_iam_member" "operator" {
  for_each = google_secret_manager_secret.platform

  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.role["secrets"].member
}

# it finds identity keys and alert channels by name
resource "google_project_iam_member" "operator_lists" {
  project = var.project
  role    = "roles/secretmanager.viewer"
  member  = google_service_account.role["secrets"].member
}
