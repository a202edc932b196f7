"""A control group (cgroup v2) of a run's own, where the kernel lets this user make one: it ends every process of the run in one step.

On a laptop the session of a user has a part of the tree of groups for itself, and so has root on most machines; in a pod that tree is
read-only, and the processes are found by their descent alone (`family`). A process cannot leave its group without writing to that tree,
which a locked-in run cannot.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "platform-run-"


@dataclass(frozen=True)
class Group:
    """One group, below that of the process which made it."""

    folder: Path

    def enter(self) -> None:
        """Move this process into it; all that it starts is in it. Raises OSError."""
        (self.folder / "cgroup.procs").write_text("0")

    def kill(self) -> None:
        """Kill all that is in it at once, also what is just being started (cgroups(7), Linux 5.14)."""
        with contextlib.suppress(OSError):  # an older kernel; what is left is found by its descent
            (self.folder / "cgroup.kill").write_text("1")

    def remove(self) -> None:
        """Take the empty group away. One that is not empty stays, and `make_group` tries again."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def make_group() -> Group | None:
    """A new group; None where the kernel has none, or this user may make none."""
    parent = _own_group()
    if parent is None:
        return None
    with contextlib.suppress(OSError):
        for left in parent.glob(f"{_PREFIX}*"):
            if not Path(f"/proc/{left.name.removeprefix(_PREFIX).partition('-')[0]}").exists():
                Group(left).remove()  # its supervisor was killed
    group = Group(parent / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        group.folder.mkdir()
    except OSError:
        return None
    if (group.folder / "cgroup.kill").exists():
        return group
    group.remove()
    return None


def _own_group() -> Path | None:
    """The folder of the group that this process is in."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    inside = next((line[3:] for line in groups if line.startswith("0::")), None)
    for mount in mounts:
        fields, _, kind = mount.partition(" - ")
        if inside is not None and kind.startswith("cgroup2 "):
            root, at = fields.split()[3:5]
            if inside == root or inside.startswith(root.rstrip("/") + "/"):
                return Path(at) / inside[len(root.rstrip("/")) :].lstrip("/")
    return None
