"""What differs between operating systems: the only module that calls what not all of them have.

On Linux all of it is there. macOS has no /proc and gives no memory limit that holds; Windows has neither file locks of
this kind nor a parent that a child can ask for.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

WINDOWS = sys.platform == "win32"

MOVE_SECONDS = 1.0
"""How long a file or folder that is in use is tried to be renamed on Windows."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/ns/pid")
_END_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of <sys/prctl.h>."""
_CONTAINER_MEMORY = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
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
    import hashlib
    import socket

    names = [socket.gethostname()]
    with suppress(OSError):
        names.append(str(_PROCESSES.readlink()))
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:8]


def parent_id() -> int:
    """The id of the process that started this one."""
    return os.getppid()


def has_parent(pid: int) -> bool:
    """Whether the process that started this one still runs. pid : its id"""
    if not WINDOWS:
        return os.getppid() == pid  # a system gives an orphan to another parent
    import psutil

    # the launcher of a virtual environment may stand between the two; a later process may get the id of one that ended
    try:
        return bool(psutil.Process(pid).create_time() <= psutil.Process().create_time())
    except psutil.Error:
        return False


def end_at_parents_death() -> None:
    """On Linux, have the system end this process as soon as the thread that started it has ended."""
    if _BOOT.exists():
        import ctypes

        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)


def lock_file(descriptor: int, *, alone: bool) -> None:
    """Lock an open file, shared or `alone`, until it is closed or the process ends.

    Raises OSError at once where a lock for one alone cannot be had. On Windows nothing is locked: an open file cannot
    be removed there.
    """
    if not WINDOWS:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)


def flush_file(path: Path) -> None:
    """Force a file's content to the disk."""
    # Windows flushes only what is open for writing; elsewhere a file that was copied may be read-only
    with path.open("rb+" if WINDOWS else "rb") as stream:
        os.fsync(stream.fileno())


def move(source: Path, target: Path) -> None:
    """Rename a file or folder; a file replaces one that is there.

    Windows refuses while anyone reads either, which for a small file is over soon: it is tried for MOVE_SECONDS.
    """
    end = time.monotonic() + MOVE_SECONDS
    while True:
        try:
            source.replace(target)
        except PermissionError:
            if not WINDOWS or time.monotonic() > end:
                raise
            time.sleep(MOVE_SECONDS / 20)
        else:
            return


def is_closed_pipe(error: OSError) -> bool:
    """Whether an error says that the reader of a pipe is gone, which Windows calls an invalid argument."""
    return error.errno == errno.EPIPE or (WINDOWS and error.errno == errno.EINVAL and error.filename is None)


def limit_memory(size: int) -> bool:
    """Bound the memory that this process may ask for, in bytes; returns whether the system keeps it to that.

    What is more fails inside the process that asks. macOS and Windows set no such bound.
    """
    if not sys.platform.startswith("linux"):
        return False
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    except (OSError, ValueError):
        return False
    return True


def release_memory() -> None:
    """Give back to the system what was freed in small pieces; on Linux with the GNU C library, nothing elsewhere."""
    if _BOOT.exists():
        import ctypes

        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def machine_memory() -> int:
    """The memory of this machine in bytes, or what a container may use of it."""
    import psutil

    sizes = [int(psutil.virtual_memory().total)]
    for bound in _CONTAINER_MEMORY:
        with suppress(OSError, ValueError):  # none, or the word max
            sizes.append(int(bound.read_text(encoding="ascii")))
    return min(sizes)


def without_core_dumps() -> None:
    """Leave no image of this process's memory behind when it crashes."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def open_streams() -> None:
    """Open the null device as stdin, stdout and stderr where this process was started without them.

    The next file that is opened would take the place, and what is printed would be written into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            stream = os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)


def accept_every_letter() -> None:
    """Where the console's encoding lacks a letter (Windows in Chinese or Western Europe), print a mark for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def choose_temporary_folder() -> None:
    """Use the first temporary folder that Python would, without the file that it writes there to try it.

    A kill would leave that file, and a full disk refuse it to commands that need no temporary folder. On Windows, where
    a folder does not say who may write to it, Python tries.
    """
    if WINDOWS or tempfile.tempdir is not None:
        return
    for place in (*map(os.environ.get, ("TMPDIR", "TEMP", "TMP")), "/tmp", "/var/tmp"):  # noqa: S108
        if place and Path(place).is_dir() and os.access(place, os.W_OK | os.X_OK):
            tempfile.tempdir = str(Path(place).absolute())
            return


def discard_output() -> None:
    """Send what is written to stdout from now on nowhere: its reader is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
