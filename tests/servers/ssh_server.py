"""A real OpenSSH server on loopback, from Debian's package, with keys and files that live as long as the test module. It runs as who runs the
tests and lets that user alone in."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.programs import needed


@dataclass(frozen=True)
class SshServer:
    """Where it listens, and its folder."""

    port: int
    home: Path
    """What a client sees as its folder."""
    keys: Path
    """`host`, `client`, `locked` (with a passphrase) and `stranger`, each with its `.pub`."""

    def environment(self, port: int | None = None, host_key: str = "host", client: str = "client") -> dict[str, str]:
        """How a source is told of it."""
        port = port or self.port
        return {
            "PLATFORM_SFTP_PARTNER": f"sftp://{getpass.getuser()}@127.0.0.1:{port}",
            "PLATFORM_SFTP_PARTNER_KNOWN_HOSTS": f"[127.0.0.1]:{port} {(self.keys / f'{host_key}.pub').read_text()}",
            "PLATFORM_SFTP_PARTNER_KEY": (self.keys / client).read_text(),
        }


PASSPHRASE = "loopback-only-Pf06"


@contextmanager
def ssh() -> Iterator[SshServer]:
    """Start a server; stop it and remove its files in the end."""
    daemon = needed("sshd", "openssh-server", "/usr/sbin")
    base = Path(tempfile.mkdtemp(prefix="ssh-"))
    keys, home = base / "keys", base / "home"
    keys.mkdir()
    home.mkdir()
    for name in ("host", "client", "locked", "stranger"):
        secret = PASSPHRASE if name == "locked" else ""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", secret, "-f", keys / name, "-C", name], check=True)
    (base / "allowed").write_text((keys / "client.pub").read_text() + (keys / "locked.pub").read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = base / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nPidFile none\nAuthorizedKeysFile {base}/allowed\nStrictModes no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nSubsystem sftp internal-sftp\nMaxStartups 50\n"
        f"PermitRootLogin prohibit-password\nForceCommand internal-sftp -d {home}\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)  # where Debian's sshd, started as root, wants to lock children in
    server = subprocess.Popen([daemon, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("sshd did not start")
            time.sleep(0.05)
        yield SshServer(port, home, keys)
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(base)
