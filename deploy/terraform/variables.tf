variable "project" {
  type        = string
  description = "Project id; one project per environment."
}

variable "environment" {
  type        = string
  description = "test or production."

  validation {
    condition     = contains(["test", "production"], var.environment)
    error_message = "environment is test or production"
  }
}

variable "region" {
  type        = string
  description = "Where everything is kept. Health data stay in it."
  default     = "europe-west4"
}

variable "namespace" {
  type        = string
  description = "Kubernetes namespace of the platform."
  default     = "platform"
}

variable "administrators" {
  type        = list(string)
  description = "CIDR ranges from which the cluster's API server may be reached."
  default     = []
}

variable "archive_days" {
  type        = number
  description = "After how many days archived deliveries move to colder storage."
  default     = 90
}

variable "noncurrent_days" {
  type        = number
  description = "For how many days a replaced or deleted object can be brought back. An erasure is complete only after this time."
  default     = 7
}

variable "audit_days" {
  type        = number
  description = "For how many days a head of the audit log can neither be overwritten nor removed (NEN 7513: logging is kept for five years at least)."
  default     = 1827
}

variable "lock_audit_heads" {
  type        = bool
  description = "Lock that policy: it can never be taken back, and the bucket stays until its last object is old enough. Off only where all is thrown away again."
  default     = true
}

variable "maximum_bytes_billed_per_day" {
  type        = number
  description = "BigQuery: bytes that the project may scan a day (quota), in TiB."
  default     = 5
}

variable "alert_email" {
  type        = string
  description = "Where alerts of Cloud Monitoring go."
}

variable "alert_channels" {
  type        = list(string)
  description = "By what the platform tells people: mail, slack, teams. Each has a secret, which must be given a value."
  default     = ["mail"]

  validation {
    condition     = length(setsubtract(var.alert_channels, ["mail", "slack", "teams"])) == 0
    error_message = "alert_channels are mail, slack and teams"
  }
}
