project     = "example-health-production"
environment = "production"
alert_email = "platform@health.example.org"
