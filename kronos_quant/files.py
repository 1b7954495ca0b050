"""Files written whole or not at all, and the folders of files that travel with the package.

Everything that a later command may trust is written next to its place and renamed there, so that a crash, a full disk
or Ctrl-C leaves the old state or the new one.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kronos_quant.errors import KronosQuantError

_PACKAGE = Path(__file__).parent
_PARTIAL = ".partial-"
_MARK_LENGTH = 8


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` on success, remove it on any failure.

    What is written may be a file or a folder (a folder replaces nothing: `path` must not exist then).
    Raises KronosQuantError when the disk is full or the place cannot be written.
    """
    partial = path.with_name(f"{_PARTIAL}{uuid.uuid4().hex[:_MARK_LENGTH]}-{path.name}")
    try:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            _flush(partial)
            partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def remove_partials(path: Path) -> list[Path]:
    """Remove what killed writers of `path` left next to it; returns the paths removed.

    The caller ensures that `path` is not being written at the time.
    """
    leftovers = sorted(path.parent.glob(f"{_PARTIAL}{'?' * _MARK_LENGTH}-{glob.escape(path.name)}"))
    for leftover in leftovers:
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
    return leftovers


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission, however a library words it, into one clear error."""
    try:
        yield
    except KronosQuantError:
        raise
    except Exception as error:
        kind = _disk_trouble(error)
        if kind is None:
            raise
        raise KronosQuantError(f"{path}: cannot write: {kind}", hint="free space or choose another folder") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with write_aside(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all."""
    write_text(path, to_json(value) + "\n")


def to_json(value: Any) -> str:
    """Indented JSON; dates and paths become strings, and a number that is not finite becomes null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def file_digest(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Force a finished file to the disk, so that the rename cannot outlive its content."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())


def _disk_trouble(error: Exception) -> str | None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on the disk"
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return "permission denied or read-only"
    # DuckDB, Polars and safetensors raise their own types and keep the system's words
    text = str(error).lower()
    if "no space left" in text or "os error 28" in text or "disk quota" in text:
        return "no space left on the disk"
    return None


def asset_dir(name: str) -> Path:
    """The folder `db`, `signals`, `strategies` or `docs/schemas`: the wheel's copy, or the checkout's.

    >>> (asset_dir("strategies") / "topk.yaml").is_file()
    True
    """
    for folder in (_PACKAGE / "_assets" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the package was installed without its folder {name}/")
