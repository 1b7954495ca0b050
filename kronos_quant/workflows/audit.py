"""`kq audit`: the installed packages that the advisories of a file name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from packaging.utils import NormalizedName

from kronos_quant.errors import DataError, counted
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.workflows.advisories import Advisory, read_advisories
from kronos_quant.workflows.packages import installed_packages

NOT_AUDITED = "not audited: kq audit --advisories FILE compares the installed packages with a file of advisories"
_LONGEST_SUMMARY = 120


@dataclass(frozen=True, slots=True)
class AffectedInstallation:
    """One installed package and one advisory that names its version. fixed_in : versions that mend it, if any"""

    package: str
    version: str
    advisories: tuple[str, ...]
    fixed_in: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What a file of advisories says of the installed packages; `file` is None where none was given.

    packages, advisories, withdrawn : how many were compared, and how many advisories their authors took back
    newest : when the newest advisory of the file was changed
    """

    file: str | None
    newest: datetime | None
    packages: int
    advisories: int
    withdrawn: int
    affected: tuple[AffectedInstallation, ...]

    def lines(self) -> list[str]:
        """The audit in words."""
        if self.newest is None:
            return [NOT_AUDITED]
        lines = [
            f"{counted(self.packages, 'package')} compared with {self.advisories:,} advisories of {self.file}, "
            f"the newest of {self.newest:%Y-%m-%d}; {self.withdrawn:,} withdrawn ones left out"
        ]
        for one in self.affected:
            fixed = f"fixed in {', '.join(one.fixed_in)}" if one.fixed_in else "no fixed version stated"
            lines.append(f"{one.package} {one.version}: {', '.join(one.advisories)}; {fixed}: {one.summary}")
        affected = len({one.package for one in self.affected})
        return [*lines, f"affected: {affected} of {counted(self.packages, 'package')}"]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "audited": self.newest is not None, "newest": self.newest and self.newest.isoformat()}

    def enforce(self) -> None:
        """Raise DataError when an installed package is affected."""
        if self.affected:
            names = ", ".join(dict.fromkeys(f"{one.package} {one.version}" for one in self.affected))
            raise DataError(
                f"advisories name installed packages: {names}",
                hint="Install a version that is fixed, or read the advisory and decide that it does not concern you.",
            )


def audit_packages(advisories: PathLike | None = None) -> Audit:
    """Compare every installed package with a file of advisories in the format of OSV (default: not audited).

    Raises DataError where the file cannot be read or says nothing about packages of PyPI.

    >>> audit_packages().lines()[0].partition(":")[0]
    'not audited'
    """
    if advisories is None:
        return Audit(None, None, 0, 0, 0, ())
    path = as_path(advisories, "advisories")
    installed = {name: (one.name, one.version) for name, one in installed_packages().items()}
    return compare_packages(str(path), read_advisories(path), installed)


def compare_packages(
    file: str, found: Sequence[Advisory], installed: Mapping[NormalizedName, tuple[str, str]]
) -> Audit:
    """What advisories say of packages.

    Parameters
    ----------
    file : where the advisories come from
    found : at least one advisory
    installed : normalised name -> name and version
    """
    affected: list[AffectedInstallation] = []
    for group in _same(one for one in found if not one.withdrawn):
        for key in dict.fromkeys(
            package.name for one in group for package in one.packages if package.name in installed
        ):
            name, version = installed[key]
            told = [p for one in group for p in one.packages if p.name == key and p.holds(version)]
            if told:
                ids = dict.fromkeys(_shown(text) for one in group for text in (one.id, *one.aliases))
                fixed = tuple(dict.fromkeys(_shown(text) for one in told for text in one.fixed()))
                summary = next((one.summary for one in group if one.summary), "no summary")
                affected.append(AffectedInstallation(name, version, tuple(ids), fixed, _shown(summary)))
    return Audit(
        file,
        max(one.modified.astimezone(UTC) for one in found),
        len(installed),
        len(found),
        sum(one.withdrawn for one in found),
        tuple(sorted(affected, key=lambda one: (one.package.lower(), one.advisories))),
    )


def _same(advisories: Iterable[Advisory]) -> list[list[Advisory]]:
    """Advisories in groups that share an id or an alias: the same fault, described by several."""
    groups: dict[str, list[Advisory]] = {}
    for advisory in advisories:
        names = (advisory.id, *advisory.aliases)
        merged = [advisory]
        for group in {id(groups[name]): groups[name] for name in names if name in groups}.values():
            merged += group
        for name in {*names, *(name for one in merged for name in (one.id, *one.aliases))}:
            groups[name] = merged
    return list({id(group): group for group in groups.values()}.values())


def _shown(text: str) -> str:
    """A stranger's words on one line of a terminal."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= _LONGEST_SUMMARY else f"{line[:_LONGEST_SUMMARY]}..."
