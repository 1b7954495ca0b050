"""What differs between systems: which process, and which machine, this is."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/ns/pid")
_ENDED = "ZX"
"""States in /proc of a process that has ended, and that its parent has not yet asked for."""


def process_identity(pid: int | None = None) -> str | None:
    """What tells a process from an earlier or later one with the same id: its start and, on Linux, the system's.

    pid : None is this process. None where there is no such process, it has ended, or another user's are hidden.

    >>> process_identity() == process_identity(), process_identity(2**22 + 1)
    (True, None)
    """
    pid = os.getpid() if pid is None else pid
    if _BOOT.exists():  # Linux
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
            return None if fields[0] in _ENDED else f"{_BOOT.read_text().strip()} {fields[19]}"
        except OSError:
            return None
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


@cache
def host_identity() -> str:
    """A short digest of the machine's name; in a container of the container's, where process ids are its own.

    >>> len(host_identity())
    8
    """
    names = [socket.gethostname()]
    with suppress(OSError):
        names.append(str(_PROCESSES.readlink()))
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:8]
