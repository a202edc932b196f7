"""The platform's code location for the test with a real daemon, which looks every two seconds instead of every minute."""

from platform_assets.definitions import build_definitions

defs = build_definitions(recompute_seconds=2)
