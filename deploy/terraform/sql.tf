# Dagster's storage and the lake's catalog. Without the catalog the lake's files are not a table: it is backed up to the minute.
resource "google_sql_database_instance" "platform" {
  #checkov:skip=CKV_GCP_79:one major version behind the newest, on purpose
  #checkov:skip=CKV_GCP_109:statements that fail hold values of patients (statistics of columns): their text is not logged
  name                = "platform"
  region              = var.region
  database_version    = "POSTGRES_17"
  encryption_key_name = google_kms_crypto_key.data.id
  deletion_protection = true

  settings {
    edition                     = "ENTERPRISE" # the default of PostgreSQL 16 and later is Enterprise Plus, which has no db-custom tiers
    tier                        = var.environment == "production" ? "db-custom-2-7680" : "db-custom-1-3840"
    availability_type           = var.environment == "production" ? "REGIONAL" : "ZONAL"
    disk_autoresize             = true
    deletion_protection_enabled = true

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.platform.id
      ssl_mode        = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED" # the proxy brings one
    }

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      location                       = var.region
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 14
      }
    }

    maintenance_window {
      day  = 6
      hour = 22
    }

    # statements themselves are not logged beyond DDL: the catalog's hold statistics of columns, and those are values
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }

    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_duration"
      value = "on"
    }

    database_flags {
      name  = "log_hostname"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

    database_flags {
      name  = "log_min_error_statement"
      value = "panic" # nor the text of a statement that fails
    }

    database_flags {
      name  = "log_min_messages"
      value = "error"
    }

    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
  }

  depends_on = [google_service_networking_connection.sql, google_kms_crypto_key_iam_member.agents]
}

resource "google_sql_database" "platform" {
  for_each = toset(["dagster", "lake"])

  name     = each.value
  instance = google_sql_database_instance.platform.name
}

# The user `platform` is made by hand (its password would stand in Terraform's state): docs/cloud.md, 'First time'.
