"""Names that say which process made a file or folder, so that what a killed one left can be told from work going on.

    .partial-<host>-<process id>-<process>-<mark>-<name>

`process` stands for the start of the process and, on Linux, of the system: an id that is used again is another process.
Only a process of this machine can be found gone. What another one made (on a shared disk, or in a container), and names
of earlier versions, are left for UNJUDGED_SECONDS.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from functools import cache

from kronos_quant.system import host_identity, process_identity

UNJUDGED_SECONDS = 7 * 24 * 3600
"""After so long, what was left by a process that cannot be looked for is abandoned."""

_OWNED = re.compile(r"(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-(?P<process>[0-9a-f]{8})-[0-9a-f]{8}-")
_LONGEST_NAME = 255
"""Bytes of a file's name on the usual systems."""


def owned_name(prefix: str, name: str) -> str:
    """A new name for something of this process: the prefix, the process, and as much of the end of `name` as fits."""
    start = f"{prefix}{this_process()}-{uuid.uuid4().hex[:8]}-"
    return start + _end(name, len(start))


def is_abandoned(entry: os.DirEntry[str], prefix: str) -> bool:
    """Whether an entry has a name of `owned_name` (or one of an earlier version) and its process is gone."""
    if not entry.name.startswith(prefix):
        return False
    lives = _is_alive(entry.name, prefix)
    if lives is None:
        try:
            return time.time() - entry.stat(follow_symlinks=False).st_mtime > UNJUDGED_SECONDS
        except OSError:  # gone since
            return False
    return not lives


def is_gone(owner: str) -> bool:
    """Whether a process, as `this_process` names it, is known to have ended."""
    return _is_alive(f"{owner}-{'0' * 8}-", "") is False


def is_being_made(entry: str, prefix: str, name: str) -> bool:
    """Whether the name of an entry is one of `owned_name` for `name`, and its process is known to be alive."""
    owner = _OWNED.match(entry, len(prefix)) if entry.startswith(prefix) else None
    return owner is not None and entry[owner.end() :] == _end(name, owner.end()) and bool(_is_alive(entry, prefix))


def _is_alive(name: str, prefix: str) -> bool | None:
    """Whether the process of a name is alive; None where that cannot be known."""
    owner = _OWNED.match(name, len(prefix))
    if owner is None or owner["host"] != _digest(host_identity()):
        return None
    found = process_identity(int(owner["pid"]))
    if found is not None:
        return _digest(found) == owner["process"]
    import psutil

    pid = int(owner["pid"])
    if not psutil.pid_exists(pid):
        return False
    # a system may hide the start of other users' processes, but not that they are there
    try:
        return False if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def _end(name: str, used: int) -> str:
    return os.fsencode(name)[used - _LONGEST_NAME :].decode(errors="ignore")


def this_process() -> str:
    """This process as `is_gone` knows it."""
    return _owner(os.getpid())


@cache
def _owner(pid: int) -> str:
    """pid : this process's, which a fork changes"""
    return f"{_digest(host_identity())}-{pid}-{_digest(process_identity() or '')}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
