# The platform writes one JSON line per alert (resources/notifier/); these policies see the lines where mail and webhooks fail,
# and notice when nothing is written at all.
resource "google_monitoring_notification_channel" "email" {
  display_name = "Platform"
  type         = "email"

  labels = {
    email_address = var.alert_email
  }

  depends_on = [google_project_service.used]
}

locals {
  of_platform = "resource.type=\"k8s_container\" AND resource.labels.namespace_name=\"${var.namespace}\""

  alerts = {
    "Incident in the platform" = "${local.of_platform} AND jsonPayload.event=\"alert\" AND jsonPayload.state=\"open\" AND NOT jsonPayload.kind=\"check_warning\""
    "Alert could not be sent"  = "${local.of_platform} AND jsonPayload.event=\"alert_not_delivered\""
    "Nobody could look"        = "${local.of_platform} AND jsonPayload.event=\"could_not_look\""
    "Dashboard fails"          = "${local.of_platform} AND resource.labels.pod_name=~\"^dashboard-\" AND textPayload:\"Exception in ASGI application\""
    "Row law broken"           = "${local.of_platform} AND (textPayload:\"are not accounted for\" OR jsonPayload.subject=~\":row_conservation$\")"
    "Erasure not complete"     = "${local.of_platform} AND jsonPayload.event=\"alert\" AND jsonPayload.state=\"open\" AND jsonPayload.subject=~\"^erase(/|$)\""
  }
}

resource "google_monitoring_alert_policy" "log" {
  for_each = local.alerts

  display_name          = each.key
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = each.key

    condition_matched_log {
      filter = each.value

      label_extractors = each.key == "Incident in the platform" ? { "incident" = "EXTRACT(jsonPayload.incident)" } : {}
    }
  }

  alert_strategy {
    notification_rate_limit {
      period = "3600s"
    }

    auto_close = "86400s"
  }

  documentation {
    content   = "See docs/operate.md, 'Alerts'."
    mime_type = "text/markdown"
  }
}

# Cloud Monitoring notices silence for at most a day, so the weekly run that never started is the platform's own business (its
# dead man's switch, the CronJob `alerts`); here it is noticed when those who watch are silent themselves.
resource "google_logging_metric" "looked" {
  name   = "platform-looked"
  filter = "${local.of_platform} AND jsonPayload.event=\"looked\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }

  depends_on = [google_project_service.used]
}

locals {
  # who watches -> the count that must go on; a CronJob that fails each time writes lines too, so it has to say that it looked
  signs = {
    "Dagster's daemon"                     = "metric.type=\"logging.googleapis.com/log_entry_count\" AND resource.labels.container_name=\"main\" AND metadata.user_labels.\"app.kubernetes.io/component\"=\"daemon\""
    "The CronJob that looks for incidents" = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.looked.name}\""
  }
}

resource "google_monitoring_alert_policy" "silent" {
  for_each = local.signs

  display_name          = "${each.key} is silent"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = "no sign for an hour"

    condition_absent {
      filter   = "resource.type=\"k8s_container\" AND ${each.value}"
      duration = "3600s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_RATE"
      }
    }
  }
}

# who looked at data and secrets stays on record
resource "google_project_iam_audit_config" "data" {
  for_each = toset(["storage.googleapis.com", "bigquery.googleapis.com", "secretmanager.googleapis.com", "cloudkms.googleapis.com"])

  project = var.project
  service = each.value

  audit_log_config {
    log_type = "DATA_READ"
  }

  audit_log_config {
    log_type = "DATA_WRITE"
  }

  depends_on = [google_project_service.used]
}
