"""The installed packages, and what of this project needs each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageMetadata, distributions

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

PROJECT = canonicalize_name("kronos-quant")


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package of this environment; its metadata are read once."""

    name: str
    version: str
    metadata: PackageMetadata
    distribution: Distribution


def installed_packages() -> dict[NormalizedName, InstalledPackage]:
    """Normalised name -> the package that an import would take, by name.

    >>> installed_packages()["numpy"].name
    'numpy'
    """
    found: dict[NormalizedName, InstalledPackage] = {}
    for distribution in distributions():
        metadata = distribution.metadata
        if "Name" in metadata and "Version" in metadata:  # damaged metadata lack them
            name, version = metadata["Name"], metadata["Version"]
            found.setdefault(canonicalize_name(name), InstalledPackage(name, version, metadata, distribution))
    return dict(sorted(found.items()))


def needed_by(installed: dict[NormalizedName, InstalledPackage]) -> dict[NormalizedName, str]:
    """Normalised name -> kronos-quant or one of its extras: what needs the package, directly or through others."""
    found: dict[NormalizedName, str] = {}
    seen = set()
    extras = installed[PROJECT].metadata.get_all("Provides-Extra") if PROJECT in installed else ()
    for extra in ("", *sorted(extras or ())):
        part = f"{PROJECT}[{extra}]" if extra else PROJECT
        waiting = [(PROJECT, extra)]
        while waiting:
            one = waiting.pop()
            if one in seen or one[0] not in installed:
                continue
            seen.add(one)
            found.setdefault(one[0], part)
            waiting += requirements(installed[one[0]], one[1])
    return found


def requirements(package: InstalledPackage, extra: str = "") -> Iterator[tuple[NormalizedName, str]]:
    """What a package, or an extra of it, requires on this machine: names, without and with the extras asked for."""
    for line in package.metadata.get_all("Requires-Dist") or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # pip installs what older packages wrote so
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            name = canonicalize_name(requirement.name)
            yield from ((name, inner) for inner in ("", *requirement.extras))
