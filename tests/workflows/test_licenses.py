from email.message import Message
from types import SimpleNamespace

import pytest

from kronos_quant.workflows.licenses import BUNDLED, license_of, list_licenses
from kronos_quant.workflows.packages import InstalledPackage, installed_packages, needed_by

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software"
BSD = "Redistribution and use in source and binary forms, with or without modification"


def package(fields=(), files=None, name="made"):
    metadata = Message()
    for key, value in (("Name", name), ("Version", "1"), *fields):
        metadata[key] = value
    distribution = SimpleNamespace(read_text=lambda path: (files or {}).get(path))
    return InstalledPackage(name, "1", metadata, distribution)


@pytest.mark.parametrize(
    ("fields", "files", "expected"),
    [
        ([("License-Expression", "mit or apache-2.0"), ("License", "X")], {},
            ("MIT OR Apache-2.0", "License-Expression")),
        ([("License", "Apache 2.0")], {}, ("Apache-2.0", "License")),
        ([("License", f"Copyright of someone, {'x' * 90}\n{MIT}")], {}, ("MIT", "License")),
        ([("Classifier", "License :: OSI Approved :: MIT License")], {}, ("MIT", "classifier")),
        # which of the BSD licences a classifier leaves open, the file says
        ([("Classifier", "License :: BSD License")], {"COPYING": BSD}, ("BSD-2-Clause", "licence file")),
        ([("License", "BSD"), ("License-File", "COPY")], {"licenses/COPY": BSD}, ("BSD-2-Clause", "licence file")),
        ([("License", "BSD")], {}, ("unknown", "nowhere")),
        ([("License", "UNKNOWN")], {"LICENSE": "All rights reserved."}, ("unknown", "nowhere")),
        ([], {}, ("unknown", "nowhere")),
        # a metadata field does not hide a clause of the file
        (
            [("License-Expression", "Apache-2.0")],
            {"LICENSE.md": "“Commons Clause” License Condition v1.0"},
            ("Apache-2.0 AND LicenseRef-Commons-Clause", "licence file"),
        ),
    ],
)  # fmt: skip
def test_a_licence_is_what_the_package_states(fields, files, expected):
    assert license_of(package(fields, files)) == expected


@pytest.fixture(scope="module")
def listed():
    return list_licenses()


def test_every_installed_package_is_listed_and_vectorbt_comes_first(listed):
    assert sorted(one.package for one in listed) == sorted(
        [*(one.name for one in installed_packages().values()), BUNDLED.package]
    )
    first = listed[0]
    assert (first.package, first.license) == ("vectorbt", "Apache-2.0 AND LicenseRef-Commons-Clause")
    assert "may not be sold" in first.condition
    assert first.needed_by == "kronos-quant"


def test_licences_with_a_condition_come_before_all_others(listed):
    conditions = [bool(one.condition) for one in listed]
    assert conditions == sorted(conditions, reverse=True)
    with_condition = {one.package for one in listed if one.condition}
    assert {"vectorbt", "certifi", "tqdm"} <= with_condition
    assert not with_condition & {"cryptography", "packaging", "numpy"}


def test_what_needs_a_package_is_found_through_others_and_their_extras():
    made = {
        "kronos-quant": package(
            [("Requires-Dist", "a"), ("Requires-Dist", 'c; extra == "ray"'), ("Provides-Extra", "ray")]
        ),
        "a": package([("Requires-Dist", "b[fast]"), ("Requires-Dist", 'x; extra == "slow"'), ("Requires-Dist", "(")]),
        "b": package([("Requires-Dist", 'd; extra == "fast"'), ("Requires-Dist", 'x; python_version < "3"')]),
        **{name: package() for name in "cdx"},
    }  # fmt: skip
    found = needed_by(made)
    assert found == {**dict.fromkeys(("kronos-quant", "a", "b", "d"), "kronos-quant"), "c": "kronos-quant[ray]"}
