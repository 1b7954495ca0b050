"""Files written whole or not at all, and the folders of files that travel with the package.

Everything that a later command may trust is written next to its place and renamed there, so that a crash, a full disk
or Ctrl-C leaves the old state or the new one. What a killed process leaves next to the place is recognised by the
owner in its name (`owners`) and removed by whoever writes to that folder next; so are its temporary folders.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kronos_quant.errors import KronosQuantError
from kronos_quant.owners import is_abandoned, is_being_made, owned_name
from kronos_quant.paths import check_folder
from kronos_quant.system import flush_file, move

_PACKAGE = Path(__file__).parent
_PARTIAL = ".partial-"
_DASHES = 5
"""Of a name that is written aside, before the name that it gets."""
_TEMPORARY = "kronos-quant-"
_SKIPPED = (".git", ".venv")
_FULL, _FREE_SPACE = "no space left on the disk", "free space or choose another folder"
_DENIED, _GRANT_WRITING = (
    "permission denied or read-only",
    "Grant the permission to write there, or use another folder.",
)
_GRANT_USE = "Grant the permission to use it."
_swept: set[Path] = set()
"""Folders from which this process has removed what killed ones left."""


@contextmanager
def write_aside(path: Path, *, new: bool = False) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` on success, remove it on any failure.

    What is written may be a file or a folder (a folder replaces nothing: `path` must not exist then).
    new : a file replaces nothing either. Raises FileExistsError where `path` is there by then, KronosQuantError when
    the disk is full or the place cannot be written.
    """
    partial = _staged(path.absolute())  # pyarrow takes a relative s3:/x for an address
    try:
        with disk_errors(path):
            make_folder(path.parent)
            sweep(path.parent)
            yield partial
            _flush(partial)
            _place(partial, path, new=new)
    except BaseException:
        for leftover in _entries(path.parent):
            if leftover.name.startswith(partial.name):  # a database has another file beside its own
                _remove(Path(leftover))
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there. Raises DataError where something else has the place.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "runs" / "backtest"
    >>> make_folder(folder)
    >>> folder.is_dir()
    True
    """
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)


def discard(path: Path) -> None:
    """Remove a file or folder if it is there, whole or not at all: the rest that a kill leaves has another name."""
    aside = _staged(path)
    with suppress(FileNotFoundError):
        move(path, aside)
        _remove(aside)


def others_write(path: Path) -> bool:
    """Whether a live process of this machine is writing `path` aside."""
    return any(is_being_made(entry.name, _PARTIAL, path.name) for entry in _entries(path.parent))


def abandoned(folder: Path, prefix: str = _PARTIAL) -> list[Path]:
    """What killed processes left directly in a folder, by name; nothing that a live one may be writing."""
    return sorted(Path(entry) for entry in _entries(folder) if is_abandoned(entry, prefix))


def sweep(folder: Path) -> None:
    """Remove what killed processes left directly in a folder, once in the life of this process."""
    if folder not in _swept:
        _swept.add(folder)
        for leftover in abandoned(folder):
            _remove(leftover)


def find_abandoned(root: Path) -> list[Path]:
    """What killed processes left anywhere in a workspace; a folder that was left stands for all in it.

    No link is followed but those of the workspace's own folders, which may lie on another disk.
    """
    found = abandoned(root)
    for top in _entries(root):
        if top.is_dir() and top.name not in _SKIPPED and Path(top) not in found:
            for place, folders, _ in os.walk(top):
                left = abandoned(Path(place))
                found += left
                folders[:] = [name for name in folders if Path(place, name) not in left]
    return sorted(found)


def remove_abandoned(root: Path) -> list[Path]:
    """Remove what killed processes left anywhere in a workspace; returns the paths removed."""
    found = find_abandoned(root)
    for path in found:
        _remove(path)
    return found


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """A folder in the system's temporary folder that is removed at the end.

    purpose : a word for its name. Those that killed processes of the same user left are removed first. Raises
    KronosQuantError where the folder cannot be made.
    """
    place = Path(tempfile.gettempdir())
    folder = place / owned_name(_TEMPORARY, purpose)
    with disk_errors(folder):
        folder.mkdir(mode=0o700)
    try:
        user = folder.lstat().st_uid
        for leftover in abandoned(place, _TEMPORARY):
            with suppress(OSError):
                if leftover.lstat().st_uid == user and leftover.is_dir() and not leftover.is_symlink():
                    _remove(leftover)
        yield folder
    finally:
        _remove(folder)


def _staged(path: Path) -> Path:
    """Where `path` is written before it is renamed."""
    return path.with_name(owned_name(_PARTIAL, path.name))


def _place(partial: Path, path: Path, *, new: bool) -> None:
    """Rename what was written; a `new` one replaces nothing, also where another process wrote it meanwhile."""
    if partial.is_dir():
        try:
            move(partial, path)
        except OSError as error:
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
            raise
    elif not new:
        move(partial, path)
    else:
        try:
            path.hardlink_to(partial)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            move(partial, path)
        else:
            partial.unlink()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _remove(path: Path) -> None:
    """Remove a file or folder that may be gone, or that another process is removing; a link, never what it names."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


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
        name = error.filename if isinstance(error, OSError) else None
        if kind == _DENIED and isinstance(name, str) and path.parent.absolute() not in Path(name).absolute().parents:
            raise KronosQuantError(f"{name}: {kind}", hint=_GRANT_USE) from error
        place = Path(*[part.split("-", _DASHES)[-1] if part.startswith(_PARTIAL) else part for part in path.parts])
        hint = _FREE_SPACE if kind == _FULL else _GRANT_WRITING
        raise KronosQuantError(f"{place}: cannot write: {kind}", hint=hint) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with write_aside(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all."""
    write_text(path, to_json(value) + "\n")


def to_json(value: Any, *, ascii_only: bool = False) -> str:
    """Indented JSON; dates and paths become strings, and a number that is not finite becomes null.

    ascii_only : other letters as escapes
    """
    return json.dumps(_finite(value), indent=2, ensure_ascii=ascii_only, default=str, allow_nan=False)


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
            flush_file(file)


def _disk_trouble(error: Exception) -> str | None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _FULL
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return _DENIED
    # DuckDB, Polars and safetensors raise their own types and keep the system's words
    text = str(error).lower()
    if "no space left" in text or "os error 28" in text or "disk quota" in text:
        return _FULL
    return _DENIED if "permission denied" in text or "read-only file system" in text else None


def asset_dir(name: str) -> Path:
    """The folder `db`, `signals`, `strategies` or `docs/schemas`: the wheel's copy, or the checkout's.

    >>> (asset_dir("strategies") / "topk.yaml").is_file()
    True
    """
    for folder in (_PACKAGE / "_assets" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the package was installed without its folder {name}/")
