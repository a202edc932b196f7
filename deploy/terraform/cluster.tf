resource "google_container_cluster" "platform" {
  #checkov:skip=CKV_GCP_12:network policy is always on in Autopilot (Dataplane V2)
  #checkov:skip=CKV_GCP_13:client certificates do not exist in Autopilot
  #checkov:skip=CKV_GCP_24:pod security is by namespace labels (deploy/kustomize); PodSecurityPolicy no longer exists
  #checkov:skip=CKV_GCP_61:intra-node visibility is always on in Autopilot
  #checkov:skip=CKV_GCP_65:groups for RBAC need an organisation's domain; set authenticator_groups_config where there is one
  #checkov:skip=CKV_GCP_66:binary authorization needs an attestor, which belongs to the organisation; see docs/cloud.md
  #checkov:skip=CKV_GCP_67:the nodes' legacy metadata endpoints do not exist in Autopilot
  #checkov:skip=CKV_GCP_69:the GKE metadata server is always on in Autopilot
  #checkov:skip=CKV_GCP_72:integrity monitoring is always on in Autopilot
  name                = "platform"
  location            = var.region
  enable_autopilot    = true
  deletion_protection = true
  network             = google_compute_network.platform.id
  subnetwork          = google_compute_subnetwork.nodes.id

  release_channel {
    channel = "STABLE"
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.administrators) == 0
    master_ipv4_cidr_block  = "172.16.0.0/28" # the network policy `to-kubernetes` allows it
  }

  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.administrators
      content {
        cidr_block = cidr_blocks.value
      }
    }
  }

  cluster_autoscaling {
    auto_provisioning_defaults {
      service_account   = google_service_account.nodes.email
      boot_disk_kms_key = google_kms_crypto_key.data.id
    }
  }

  database_encryption {
    state    = "ENCRYPTED"
    key_name = google_kms_crypto_key.data.id
  }

  # upgrades outside the weekly run (Mondays at 06:00 in Amsterdam)
  maintenance_policy {
    recurring_window {
      start_time = "2024-01-06T20:00:00Z"
      end_time   = "2024-01-07T04:00:00Z"
      recurrence = "FREQ=WEEKLY;BYDAY=SA,SU"
    }
  }

  resource_labels = {
    system      = "health-data-platform"
    environment = var.environment
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}
