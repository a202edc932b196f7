terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.30"
    }
    google-beta = {
      source  = "hashicorp/google-beta"
      version = "~> 6.30"
    }
  }

  # bucket and prefix come by -backend-config: they differ per environment
  backend "gcs" {}
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = {
    system      = "health-data-platform"
    environment = var.environment
  }
}

provider "google-beta" {
  project = var.project
  region  = var.region
}
