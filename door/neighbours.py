"""Whose process is at the other end of a connection on this machine. Loopback keeps other machines out, not other people on this one."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

TABLES = ("tcp", "tcp6")
"""Of /proc/net: all connections of this network namespace, with the user that each belongs to."""
ESTABLISHED = "01"


def own(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Whether the process that connected from `client` to `server` is ours or root's."""
    return owner(client, server) in (os.getuid(), 0)


def owner(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """The user id of who holds the client's end of a connection; None where nobody on this machine does (any more)."""
    for table in TABLES:
        ends = _written(client, table), _written(server, table)
        for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
            # number, local, remote, state, queues, timer, retransmits, user, timeout, inode
            fields = line.split()
            if (fields[1], fields[2]) == ends and fields[3] == ESTABLISHED and fields[9] != "0":
                return int(fields[7])
    return None


def _written(end: tuple[str, int], table: str) -> str:
    """An address and port as the kernel writes them: words of 32 bits in this machine's order, in hexadecimal."""
    address = ipaddress.ip_address(end[0])
    packed = address.packed
    if table == "tcp6" and address.version == 4:
        packed = ipaddress.ip_address(f"::ffff:{end[0]}").packed
    words = [int.from_bytes(packed[i : i + 4], "little") for i in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{end[1]:04X}"
