"""``python -m dashboard [port]``: the clinicians' dashboard on 127.0.0.1. Behind a login and a proxy, PLATFORM_DASHBOARD_ADDRESS says where else."""

from __future__ import annotations

import os
import signal
import sys
from urllib.parse import urlsplit

from dashboard.app import app
from dashboard.people import NotConfigured, Provider
from dashboard.scripts import Scripts
from door.filter import Door
from door.rules import DASHBOARD
from door.server import LOOPBACK, PortTaken, listening, names, serve
from platform_assets.office import Office

PORT = 8600
ADDRESS = "PLATFORM_DASHBOARD_ADDRESS"


def main() -> None:
    """Serve until told to stop."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    address = os.environ.get(ADDRESS, LOOPBACK[0])
    try:
        provider = Provider.from_environment()
    except NotConfigured as error:
        sys.exit(str(error))
    if provider is None and address not in LOOPBACK:
        sys.exit(
            f"Without login the dashboard serves this machine only: unset {ADDRESS}, or set PLATFORM_LOGIN=oidc and configure the login "
            "(docs/dashboard.md)"
        )
    public = urlsplit(provider.redirect_uri if provider else f"http://{address}:{port}")
    hosts = frozenset({public.netloc}) if provider else names(port)
    guarded = Door(app(Office.here(), Scripts(), provider), DASHBOARD, hosts, scheme=public.scheme)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with listening(port, "make dashboard", LOOPBACK if address in LOOPBACK else (address,)) as sockets:
            sys.stderr.write(f"The dashboard is on {public.scheme}://{public.netloc} (stop it with Ctrl-C)\n")
            if provider is None:
                sys.stderr.write("There is no login: it serves this machine only, and shows whatever is there.\n")
            serve(guarded, sockets, own_only=provider is None)
    except PortTaken as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
