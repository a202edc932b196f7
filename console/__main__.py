"""``python -m console [port]``: the console on 127.0.0.1. Behind a login and a proxy, PLATFORM_CONSOLE_ADDRESS says where else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platform_assets.quarantine.uploads import limit_mb

PORT = "8501"


def command(port: str) -> list[str]:
    """What starts Streamlit: no statistics sent, no developer's menu, uploads limited, errors without details for the reader."""
    options = {
        "server.address": os.environ.get("PLATFORM_CONSOLE_ADDRESS", "127.0.0.1"),
        "server.port": port,
        "server.headless": "true",
        "server.maxUploadSize": str(limit_mb()),
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "runner.magicEnabled": "false",
    }
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(Path(__file__).parent / "served.py"), *given]


if __name__ == "__main__":
    arguments = command(sys.argv[1] if len(sys.argv) > 1 else PORT)
    os.execv(arguments[0], arguments)
