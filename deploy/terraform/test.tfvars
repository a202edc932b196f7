project          = "example-health-test"
environment      = "test"
namespace        = "platform-test"
alert_email      = "platform-test@health.example.org"
lock_audit_heads = false
