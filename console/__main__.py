"""``python -m console [port]``: the console on 127.0.0.1. Behind a login and a proxy, PLATFORM_CONSOLE_ADDRESS says where else.

Streamlit's server runs in this process behind `door.filter`: what it would answer beyond the console's needs is closed, whoever asks.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from door.filter import Door
from door.rules import MEGABYTE, console
from door.server import LOOPBACK, PortTaken, listening, names, serve
from platform_assets.stewardship.uploads import limit_mb

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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with listening(port, "make console", LOOPBACK if address in LOOPBACK else (address,)) as sockets:
            _serve(address, port, sockets)
    except PortTaken as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


def _serve(address: str, port: int, sockets: list) -> None:
    # streamlit takes seconds to import: after the port is known to be free
    from streamlit import config
    from streamlit.web import bootstrap
    from streamlit.web.server.starlette.starlette_app import App

    from console import login

    bootstrap.load_config_options(options(address, port))
    guarded = os.environ.get(login.LOGIN, "off") == "oidc"
    public = urlsplit(login.redirect_uri()) if guarded else urlsplit(f"http://{address}:{port}")
    hosts = frozenset({public.netloc}) if guarded else names(port)
    config.set_option("server.allowedHosts", sorted({str(urlsplit(f"//{host}").hostname) for host in hosts}))
    app = Door(
        App(Path(__file__).with_name("app.py")),
        console(limit_mb() * MEGABYTE),
        hosts,
        scheme=public.scheme,
        known=login.known if guarded else None,
        entrance=login.entrance if guarded else None,
    )
    print(f"The console is on {public.scheme}://{public.netloc} (stop it with Ctrl-C)", flush=True)
    serve(app, sockets, own_only=address in LOOPBACK)


if __name__ == "__main__":
    main()
