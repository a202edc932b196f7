resource "google_compute_network" "platform" {
  name                    = "platform"
  auto_create_subnetworks = false

  depends_on = [google_project_service.used]
}

resource "google_compute_subnetwork" "nodes" {
  name                     = "nodes"
  network                  = google_compute_network.platform.id
  region                   = var.region
  ip_cidr_range            = "10.10.0.0/20"
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.12.0.0/16"
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.14.0.0/20"
  }

  log_config {
    aggregation_interval = "INTERVAL_5_SEC"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Google's APIs by private.googleapis.com: the address that the network policies allow (deploy/kustomize/base/network.yaml)
resource "google_dns_managed_zone" "googleapis" {
  #checkov:skip=CKV_GCP_16:DNSSEC does not exist for private zones
  name       = "googleapis"
  dns_name   = "googleapis.com."
  visibility = "private"

  private_visibility_config {
    networks {
      network_url = google_compute_network.platform.id
    }
  }
}

resource "google_dns_record_set" "private" {
  name         = "private.googleapis.com."
  managed_zone = google_dns_managed_zone.googleapis.name
  type         = "A"
  ttl          = 300
  rrdatas      = ["199.36.153.8", "199.36.153.9", "199.36.153.10", "199.36.153.11"]
}

resource "google_dns_record_set" "all" {
  name         = "*.googleapis.com."
  managed_zone = google_dns_managed_zone.googleapis.name
  type         = "CNAME"
  ttl          = 300
  rrdatas      = ["private.googleapis.com."]
}

# runs that fetch (http sources) leave by one address, which sources can allow
resource "google_compute_router" "platform" {
  name    = "platform"
  network = google_compute_network.platform.id
  region  = var.region
}

resource "google_compute_router_nat" "platform" {
  name                               = "platform"
  router                             = google_compute_router.platform.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ALL"
  }
}

# Cloud SQL's private range (the network policy `postgres` allows it)
resource "google_compute_global_address" "sql" {
  name          = "sql"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = "10.20.0.0"
  prefix_length = 20
  network       = google_compute_network.platform.id
}

resource "google_service_networking_connection" "sql" {
  network                 = google_compute_network.platform.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.sql.name]
}

# what people reach
resource "google_compute_global_address" "platform" {
  name = "platform"

  depends_on = [google_project_service.used]
}

resource "google_compute_ssl_policy" "modern" {
  name            = "platform-modern"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"

  depends_on = [google_project_service.used]
}

# nothing comes in that GKE and the load balancer have not opened by rules of their own (which go before this one)
resource "google_compute_firewall" "deny_ingress" {
  name      = "deny-ingress"
  network   = google_compute_network.platform.name
  direction = "INGRESS"
  priority  = 65534

  deny {
    protocol = "all"
  }

  source_ranges = ["0.0.0.0/0"]

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}
