"""`kq licenses`: the licence of every installed package, those with conditions first.

A licence is taken from where the package states it: the SPDX expression of its metadata, else the License field, else
the classifiers, else the text of its licence file. What none of them says is 'unknown', never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageMetadata

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from kronos_quant.report.scripts import LIBRARY_VERSION
from kronos_quant.workflows.packages import InstalledPackage, installed_packages, needed_by

UNKNOWN = "unknown"
COMMONS_CLAUSE = "LicenseRef-Commons-Clause"

_ATTENTION = (
    (COMMONS_CLAUSE, "a product whose value derives substantially from it may not be sold"),
    (UNKNOWN, "no licence stated; read its files before redistribution"),
    ("AGPL", "redistribution, and use over a network, require the source under the same licence"),
    ("LGPL", "redistribution requires its source, and that it can be replaced"),
    ("GPL", "redistribution, alone or as part of a work, requires the source under the same licence"),
    ("MPL", "redistribution of changed files requires their source"),
)
"""Part of a licence -> its condition; in the order of the list."""
_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENSE.rst", "LICENCE", "COPYING")
_LONGEST_NAME = 100
_LONGEST_TEXT = 20_000
"""Characters of a licence file in which its own licence stands; those of bundled parts follow."""
_NAMES = {
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "2-clause bsd": "BSD-2-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.0-or-later",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-or-later",
    "gnu general public license v2 (gplv2)": "GPL-2.0-only",
    "gnu general public license v3 (gplv3)": "GPL-3.0-only",
    "gnu affero general public license v3": "AGPL-3.0-only",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
"""Names of licences that say which version, as metadata write them -> SPDX."""
_TEXTS = (
    (r"gnu affero general public license\s+version 3", "AGPL-3.0"),
    (r"gnu lesser general public license\s+version 3", "LGPL-3.0"),
    (r"gnu lesser general public license\s+version 2\.1", "LGPL-2.1"),
    (r"gnu general public license\s+version 3", "GPL-3.0"),
    (r"gnu general public license\s+version 2", "GPL-2.0"),
    (r"mozilla public license,?\s+version 2\.0", "MPL-2.0"),
    (r"apache license\s+version 2\.0", "Apache-2.0"),
    (r"apache license, version 2\.0|apache 2\.0 license", "Apache-2.0"),
    (r"redistribution and use in source and binary forms.*(neither the name|of its contributors)", "BSD-3-Clause"),
    (r"redistribution and use in source and binary forms", "BSD-2-Clause"),
    (r"permission to use, copy, modify, and(/or)? distribute this software for any purpose with", "ISC"),
    (r"permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
    (r"psf license agreement|python software foundation license version 2", "PSF-2.0"),
    (r"this is free and unencumbered software", "Unlicense"),
)
"""Words that only the text of a licence has -> SPDX; the first that fits, from the beginning of the text."""


@dataclass(frozen=True, slots=True)
class PackageLicense:
    """The licence of one installed package, or of a library in JavaScript that is part of this one.

    stated_in : License-Expression, License, classifier, licence file or nowhere
    needed_by : kronos-quant, one of its extras (kronos-quant[dev]), or empty: nothing here needs it
    condition : of the licences that have one on sale or redistribution; empty for the others
    """

    package: str
    version: str
    license: str
    stated_in: str
    needed_by: str
    condition: str

    def as_dict(self) -> dict[str, str]:
        """For --json."""
        return asdict(self)


BUNDLED = PackageLicense(
    "echarts", LIBRARY_VERSION, "Apache-2.0 AND BSD-3-Clause", "licence file", "kronos-quant (part of its pages)", ""
)
"""Apache ECharts, whose licence files are in kronos_quant/report/assets/echarts."""


def list_licenses() -> list[PackageLicense]:
    """The licence of every package of this environment and of what this one bundles.

    First come those with a condition on sale or redistribution.
    """
    installed = installed_packages()
    needed = needed_by(installed)
    found = [BUNDLED]
    for name, package in installed.items():
        expression, where = license_of(package)
        _, condition = _attention(expression)
        found.append(PackageLicense(package.name, package.version, expression, where, needed.get(name, ""), condition))
    return sorted(found, key=lambda one: (_attention(one.license)[0], one.package.lower()))


def license_of(package: InstalledPackage) -> tuple[str, str]:
    """A package's licence in SPDX, or 'unknown', and where it states it."""
    texts = list(_license_texts(package))
    expression, where = _stated(package, texts)
    if COMMONS_CLAUSE not in expression and any(re.search(r"commons\s+clause", text) for text in texts):
        return (COMMONS_CLAUSE if expression == UNKNOWN else f"{expression} AND {COMMONS_CLAUSE}"), "licence file"
    return expression, where


def _stated(package: InstalledPackage, texts: list[str]) -> tuple[str, str]:
    metadata = package.metadata
    field = _field(metadata, "License")
    stated = (one for one in metadata.get_all("Classifier") or [] if one.startswith("License ::"))
    classifiers = [one.rpartition(" :: ")[2] for one in stated]
    known = dict.fromkeys(filter(None, map(_spdx, classifiers)))
    candidates = (
        (_spdx(_field(metadata, "License-Expression")), "License-Expression"),
        (_spdx(field) or (_recognised(field) if len(field) > _LONGEST_NAME else None), "License"),
        (" AND ".join(known) if len(known) == len(set(classifiers)) else None, "classifier"),
        (next(filter(None, map(_recognised, texts)), None), "licence file"),
    )
    return next(((expression, where) for expression, where in candidates if expression), (UNKNOWN, "nowhere"))


def _field(metadata: PackageMetadata, name: str) -> str:
    return str((metadata.get_all(name) or [""])[0])


def _spdx(words: str) -> str | None:
    """A name of a licence in SPDX; None where it names none, or not which version of one."""
    words = words.strip()
    if not words or (len(words) > _LONGEST_NAME and "\n" in words):
        return None
    try:
        return _NAMES.get(words.lower()) or canonicalize_license_expression(words)
    except InvalidLicenseExpression:
        return None


def _recognised(text: str) -> str | None:
    text = " ".join(text[:_LONGEST_TEXT].lower().split())
    found = [(match.start(), spdx) for words, spdx in _TEXTS if (match := re.search(words, text))]
    return min(found, key=lambda one: one[0])[1] if found else None


def _license_texts(package: InstalledPackage) -> Iterator[str]:
    """The texts of a package's own licence files, in lower case; not those of what it bundles in folders below."""
    for name in dict.fromkeys([*(package.metadata.get_all("License-File") or []), *_FILES]):
        if "/" not in name:
            text = package.distribution.read_text(f"licenses/{name}") or package.distribution.read_text(name)
            if text:
                yield text.lower()


def _attention(expression: str) -> tuple[int, str]:
    """The place of a licence in the list, and its condition. One of several that may be chosen asks nothing."""
    choices = expression.split(" OR ")
    for place, (part, condition) in enumerate(_ATTENTION):
        pattern = rf"(^|[( ]){re.escape(part)}"
        if all(re.search(pattern, choice) for choice in choices):
            return place, condition
    return len(_ATTENTION), ""
