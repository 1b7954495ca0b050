"""What lies at a path, in words, before anything is opened: only regular files are, and folders where they belong."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from kronos_quant.errors import DataError, KronosQuantError

FILE, MISSING, NOWHERE = "a file", "no such file", "a link that leads nowhere"
"""Words of `kind_of_path`."""
GRANT_READING = "Grant the permission to read it."
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_SYSTEM = ("/proc/", "/sys/")
"""Files of Linux itself: regular by their kind, but some of them wait for ever, or never end."""


def kind_of_path(path: Path) -> str:
    """What lies at a path, in words: "a file", "a folder", "a pipe", "a link that leads nowhere", "no such file".

    Raises OSError and ValueError where that cannot be seen.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return NOWHERE if path.is_symlink() else MISSING
    except OSError as trouble:
        if trouble.errno != errno.ELOOP:
            raise
        return NOWHERE
    kind = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), FILE)
    if kind == FILE and found.st_size == 0 and str(path.resolve()).startswith(_SYSTEM):
        return "a file of the system"
    return kind


def check_folder(folder: Path) -> None:
    """Raise DataError where something that is no folder lies at a path or above it, or a folder that may not be read.

    What is not there passes.
    """
    for place in (folder, *folder.parents):
        try:
            if place.is_dir():
                if os.access(place, os.R_OK | os.X_OK):
                    return
                raise DataError(f"{place}: a folder that may not be read", hint=GRANT_READING)
            kind = kind_of_path(place)
        except PermissionError:  # the folder above is refused next
            continue
        if kind != MISSING:
            raise DataError(f"{place}: {kind}, expected a folder", hint="Move it away.")


def check_utf8(path: Path, error: type[KronosQuantError] = DataError) -> None:
    """Raise `error` for a path whose bytes are not UTF-8: DuckDB, Arrow and safetensors open no such files."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise error(f"{str(path)!a}: the name is not UTF-8", hint="Rename it.") from None


def check_literal(path: Path, error: type[KronosQuantError] = DataError) -> None:
    """Raise `error` for the path of a database in which DuckDB reads a letter otherwise: it would write elsewhere."""
    odd = set(str(path)) & ({"?"} if os.sep == "\\" else {"?", "\\"})
    if odd:
        raise error(f"{path}: contains {min(odd)!r}, with which DuckDB keeps no database", hint="Rename the folder.")
