"""Who is told what goes wrong: failed runs, failed checks, stale assets, slow runs, and the weekly run that never started.

`watch.look` sees and tells, by `resources.notifier`. The sensor `alerts` calls it every minute, ``python -m platform_assets.monitoring
check`` from outside the daemon. What an alert looks like and how it travels is the notifier's business, not this package's.
"""
