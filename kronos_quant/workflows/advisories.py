"""Advisories in the format of OSV: read from a file that the user downloaded, and compared with a version.

The file is a stranger's: its size, its nesting and every value that is used are checked, and it is never unpacked.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from kronos_quant.errors import DataError
from kronos_quant.readers import read_bytes, regular_file

LARGEST_FILE = 512 * 2**20
LARGEST_ENTRY = 32 * 2**20
LARGEST_ARCHIVE = 4 * 2**30
"""Bytes: of a file of JSON, of one advisory of an archive, and of all of them together when unpacked."""
ECOSYSTEM = "PyPI"
HINT = "Download all.zip of the PyPI ecosystem from osv.dev again."


@dataclass(frozen=True, slots=True)
class AffectedPackage:
    """What an advisory says of one package. ranges : (event, version) pairs of each range of versions"""

    name: NormalizedName
    versions: frozenset[str]
    ranges: tuple[tuple[tuple[str, str], ...], ...]

    def holds(self, version: str) -> bool:
        """Whether a version is affected; also where the advisory names no versions, or one that cannot be compared."""
        if not self.versions and not self.ranges:
            return True
        try:
            found = Version(Version(version).public)  # a local build is affected as its release
            listed = {Version(one) for one in self.versions if _comparable(one)}
            return found in listed or version in self.versions or any(_within(found, one) for one in self.ranges)
        except InvalidVersion:
            return True

    def fixed(self) -> list[str]:
        """The versions that mend it, as far as the advisory says."""
        return [version for events in self.ranges for event, version in events if event == "fixed"]


@dataclass(frozen=True, slots=True)
class Advisory:
    """One advisory about packages of PyPI."""

    id: str
    aliases: tuple[str, ...]
    modified: datetime
    withdrawn: bool
    summary: str
    packages: tuple[AffectedPackage, ...]


def read_advisories(path: Path) -> list[Advisory]:
    """The advisories about PyPI packages in a file: one JSON object, a list, JSON lines, or a zip of objects.

    Raises DataError where the file is missing, no regular file, too large, damaged, or says nothing about PyPI.
    """
    place = regular_file(path, hint=HINT)
    entries = _zipped(place) if zipfile.is_zipfile(place) else _plain(place)
    found = [_advisory(value, where) for where, value in entries]
    found = [one for one in found if one.packages]
    if not found:
        raise DataError(f"{path}: no advisory about a package of PyPI", hint=HINT)
    return found


def _plain(path: Path) -> Iterator[tuple[str, Any]]:
    if path.stat().st_size > LARGEST_FILE:
        raise DataError(f"{path}: larger than {LARGEST_FILE / 2**20:.0f} MiB", hint=HINT)
    data = read_bytes(path, hint=HINT)
    lines = data.splitlines()
    if len(lines) > 1 and lines[0].rstrip().endswith(b"}"):  # an object a line
        yield from ((f"{path}, line {i}", _json(line, f"{path}, line {i}")) for i, line in enumerate(lines, 1) if line)
        return
    value = _json(data, str(path))
    if isinstance(value, list):
        yield from ((f"{path}, entry {i}", entry) for i, entry in enumerate(value, 1))
    else:
        yield str(path), value


def _zipped(path: Path) -> Iterator[tuple[str, Any]]:
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".json"):
                    continue
                where = f"{path}, {member.filename!r}"
                with archive.open(member) as stream:  # what is stated of a member's size may be wrong
                    data = stream.read(LARGEST_ENTRY + 1)
                total += len(data)
                if len(data) > LARGEST_ENTRY or total > LARGEST_ARCHIVE:
                    raise DataError(f"{where}: more than an archive of advisories holds when unpacked", hint=HINT)
                yield where, _json(data, where)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise DataError(f"{path}: a damaged archive ({error})", hint=HINT) from error


def _json(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: no JSON ({error})", hint=HINT) from error


def _advisory(value: Any, where: str) -> Advisory:
    entry = _of_kind(value, dict, where)
    name = _of_kind(entry.get("id"), str, f"{where}: id")
    where = f"{where}: {name!r:.60}"
    affected = _optional(entry, "affected", list, where)
    aliases = _optional(entry, "aliases", list, where)
    return Advisory(
        id=name,
        aliases=tuple(_of_kind(alias, str, f"{where}: aliases") for alias in aliases),
        modified=_time(entry.get("modified"), f"{where}: modified"),
        withdrawn=entry.get("withdrawn") is not None,
        summary=_optional(entry, "summary", str, where),
        packages=tuple(filter(None, (_affected(one, f"{where}: affected") for one in affected))),
    )


def _affected(value: Any, where: str) -> AffectedPackage | None:
    """None for a package of another ecosystem."""
    entry = _of_kind(value, dict, where)
    package = _optional(entry, "package", dict, where)
    if package.get("ecosystem") != ECOSYSTEM:
        return None
    versions = _optional(entry, "versions", list, where)
    ranges = []
    for one in _optional(entry, "ranges", list, where):
        if _of_kind(one, dict, f"{where}: ranges").get("type") != "GIT":  # commits, not versions
            ranges.append(tuple(_events(one.get("events"), f"{where}: events")))
    return AffectedPackage(
        canonicalize_name(_of_kind(package.get("name"), str, f"{where}: name")),
        frozenset(_of_kind(version, str, f"{where}: versions") for version in versions),
        tuple(ranges),
    )


def _events(value: Any, where: str) -> Iterator[tuple[str, str]]:
    for event in _of_kind(value, list, where):
        for kind, version in _of_kind(event, dict, where).items():
            yield kind, _of_kind(version, str, where)


def _of_kind(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        found = "nothing" if value is None else type(value).__name__
        raise DataError(f"{where}: expected {kind.__name__}, found {found}", hint=HINT)
    return value


def _optional(entry: dict[str, Any], name: str, kind: type, where: str) -> Any:
    """A field that may be left out or null: then it is empty."""
    return kind() if entry.get(name) is None else _of_kind(entry[name], kind, f"{where}: {name}")


def _time(value: Any, where: str) -> datetime:
    try:
        found = datetime.fromisoformat(_of_kind(value, str, where))
    except ValueError as error:
        raise DataError(f"{where}: expected a time as 2026-01-31T00:00:00Z, found {value!r:.40}", hint=HINT) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _comparable(version: str) -> bool:
    try:
        Version(version)
    except InvalidVersion:
        return False
    return True


def _within(version: Version, events: tuple[tuple[str, str], ...]) -> bool:
    """Whether a range holds a version: the events in the order of their versions switch it on and off."""
    inside = False
    # at one version, what begins comes before what ends
    for bound, _, kind in sorted((Version(bound), kind != "introduced", kind) for kind, bound in events):
        if kind == "introduced" and (bound == Version("0") or version >= bound):
            inside = True
        elif (kind in ("fixed", "limit") and version >= bound) or (kind == "last_affected" and version > bound):
            inside = False
    return inside
