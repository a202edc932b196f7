"""``python -m console [port]``: the console on 127.0.0.1. Behind a login and a proxy, PLATFORM_CONSOLE_ADDRESS says where else.

Streamlit's server runs in this process behind `door.filter`: what it would answer beyond the console's needs is closed, whoever asks.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from door.filter import Door
from door.rules import MEGABYTE, console
from door.server import LOOPBACK, PortTaken, listening, names, serve
from platform_assets.quarantine.uploads import limit_mb

PORT = 8501
ADDRESS = "PLATFORM_CONSOLE_ADDRESS"


def options(address: str, port: int) -> dict[str, str | int | bool]:
    """Streamlit's: no statistics sent, no developer's menu, uploads limited, errors without details for the reader.

    What the door checks is asked of Streamlit as well, as far as it can.
    """
    return {
        "server.address": address,
        "server.port": port,
        "server.headless": True,
        "server.maxUploadSize": limit_mb(),
        "server.fileWatcherType": "none",
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "server.xsrfCookieSameSite": "strict",
        "server.enableStaticServing": False,
        "server.enableAgentApi": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "runner.magicEnabled": False,
    }


def main() -> None:
    """Serve until told to stop."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    address = os.environ.get(ADDRESS, LOOPBACK[0])
    guarded = os.environ.get("PLATFORM_LOGIN", "off") == "oidc"
    if not guarded and address not in LOOPBACK:
        sys.exit(
            f"Without login the console serves this machine only: unset {ADDRESS}, or set PLATFORM_LOGIN=oidc and configure the login "
            "(docs/stewardship.md)"
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with listening(port, "make console", LOOPBACK if address in LOOPBACK else (address,)) as sockets:
            _serve(address, port, sockets, guarded)
    except PortTaken as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


def _serve(address: str, port: int, sockets: list[socket.socket], guarded: bool) -> None:
    # streamlit takes seconds to import: after the port is known to be free
    from streamlit import config
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.web import bootstrap
    from streamlit.web.server.starlette.starlette_app import App

    from console import guard, login

    bootstrap.load_config_options(options(address, port))
    # the folder `pages` is ours: taken for Streamlit's own, the first visit to a bookmark would show an empty page
    PagesManager.uses_pages_directory = False
    try:
        public = urlsplit(login.redirect_uri() if guarded else f"http://{address}:{port}")
    except login.NotConfigured as error:
        sys.exit(str(error))
    hosts = frozenset({public.netloc}) if guarded else names(port)
    config.set_option("server.allowedHosts", sorted({str(urlsplit(f"//{host}").hostname) for host in hosts}))
    app = Door(
        guard.Guard(App(Path(__file__).with_name("app.py"))),
        console(limit_mb() * MEGABYTE),
        hosts,
        scheme=public.scheme,
        known=guard.known if guarded else None,
        entrance=login.entrance if guarded else None,
    )
    sys.stderr.write(f"The console is on {public.scheme}://{public.netloc} (stop it with Ctrl-C)\n")
    serve(app, sockets, own_only=not guarded)


if __name__ == "__main__":
    main()
