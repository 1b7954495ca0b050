import json
import os
import struct
import zipfile
from pathlib import Path

import pytest

from kronos_quant.errors import DataError
from kronos_quant.workflows import advisories
from kronos_quant.workflows.advisories import AffectedPackage, read_advisories
from kronos_quant.workflows.audit import audit_packages, compare_packages

INSTALLED = {"numpy": ("numpy", "2.4"), "pandas": ("pandas", "3.1")}
ALL = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]


def entry(name="numpy", ranges=ALL, **fields):
    package = {"package": {"ecosystem": "PyPI", "name": name}, "ranges": ranges}
    return {"id": "PYSEC-1", "modified": "2026-01-02T03:04:05Z", "summary": "made", "affected": [package], **fields}


def written(folder, value, name="osv.json"):
    file = folder / name
    file.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return file


def compared(file):
    return compare_packages(str(file), read_advisories(file), INSTALLED)


def zipped(folder, *entries):
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i, one in enumerate(entries):
            archive.writestr(f"{i}.json", one if isinstance(one, bytes) else json.dumps(one))
    return folder / "all.zip"


def lines(folder, *entries):
    return written(folder, "\n".join(map(json.dumps, entries)).encode(), "osv.jsonl")


@pytest.mark.parametrize("kind", ["object", "list", "lines", "zip"])
def test_an_affected_package_is_named_in_every_form_of_the_file(tmp_path, kind):
    other = entry("no-such-package", modified="2026-05-06T00:00:00.123Z")
    make = {
        "object": lambda: written(tmp_path, entry()),
        "list": lambda: written(tmp_path, [entry(), other]),
        "lines": lambda: lines(tmp_path, entry(), other),
        "zip": lambda: zipped(tmp_path, entry(), other),
    }[kind]
    audit = compared(make())
    assert [(one.package, one.version) for one in audit.affected] == [("numpy", "2.4")]
    day = "2026-01-02" if kind == "object" else "2026-05-06"
    assert f"the newest of {day}" in audit.lines()[0]
    with pytest.raises(DataError, match=r"advisories name installed packages: numpy 2\.4"):
        audit.enforce()


@pytest.mark.parametrize(
    ("version", "events", "affected"),
    [
        ("1.0", [("introduced", "0")], True),
        ("1.0", [("introduced", "0"), ("fixed", "1.0")], False),
        ("1.0rc1", [("introduced", "0"), ("fixed", "1.0")], True),
        ("1.0+cpu", [("introduced", "0"), ("fixed", "1.0")], False),
        ("1.0+cpu", [("introduced", "0"), ("last_affected", "1.0")], True),
        ("1.0.post1", [("introduced", "0"), ("last_affected", "1.0")], False),
        ("2.5", [("introduced", "0"), ("fixed", "1.0"), ("introduced", "2.0"), ("fixed", "3.0")], True),
        ("1.5", [("introduced", "2.0"), ("fixed", "3.0"), ("introduced", "0"), ("fixed", "1.0")], False),
        ("10.0", [("introduced", "9.0"), ("fixed", "11")], True),
        ("0.dev1", [("introduced", "0")], True),
        ("1.0", [("introduced", "0"), ("limit", "1.0")], False),
        ("1.0", [("introduced", "0"), ("fixed", "no version")], True),
    ],
)
def test_a_range_holds_the_versions_between_its_events(version, events, affected):
    assert AffectedPackage("made", frozenset(), (tuple(events),)).holds(version) is affected


def test_listed_versions_are_compared_as_versions():
    package = AffectedPackage("made", frozenset({"1.0", "odd version"}), ())
    assert [package.holds(one) for one in ("1.0.0", "1.0+cpu", "1.1", "odd version")] == [True, True, False, True]


def test_withdrawn_and_unaffected_ones_are_left_out_and_aliases_are_one_fault(tmp_path):
    same = [entry(id="GHSA-1", aliases=["CVE-1"]), entry(id="PYSEC-9", aliases=["CVE-1"], summary="")]
    taken_back = entry(id="PYSEC-2", withdrawn="2026-01-01T00:00:00Z")
    old = entry("pandas", [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.1"}]}], id="PYSEC-3")
    audit = compared(written(tmp_path, [*same, taken_back, old]))
    assert audit.withdrawn == 1
    assert [sorted(one.advisories) for one in audit.affected] == [["CVE-1", "GHSA-1", "PYSEC-9"]]


def test_a_file_that_names_nothing_installed_says_so_with_its_date(tmp_path):
    audit = compared(written(tmp_path, entry("no-such-package")))
    assert audit.lines()[-1].startswith("affected: 0 of ")
    audit.enforce()
    assert audit.as_dict()["newest"] == "2026-01-02T03:04:05+00:00"


def test_without_a_file_nothing_is_audited():
    audit = audit_packages()
    assert audit.lines()[0].startswith("not audited: ")
    assert audit.as_dict()["audited"] is False
    audit.enforce()


def test_what_a_stranger_wrote_moves_no_cursor(tmp_path):
    audit = compared(written(tmp_path, entry(summary="\x1b[2J\n" + "x" * 10_000, aliases=["\r\x07"])))
    assert all(line.isprintable() for line in audit.lines())
    assert len(audit.lines()[1]) < 300


@pytest.mark.parametrize(
    "value",
    [
        b"", b"\x00\xff junk",
        b'{"id": ', b"[" * 100_000, b'{"a": 1' + b"0" * 10_000 + b"}", b"{}\n{", b"[]", 1, "x", [1],
        {}, entry(id=1), entry(modified="yesterday"), entry(modified=None), entry(affected=1), entry(affected=["x"]),
        entry(aliases="CVE-1"), entry(ranges=1), entry(ranges=[{"type": "ECOSYSTEM"}]), entry(summary=[]),
        entry(ranges=[{"events": [{"introduced": 0}]}]), entry(name=None), entry(name=["numpy"]),
        {**entry(), "affected": [{"package": {"ecosystem": "npm", "name": "numpy"}}]},
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, value):
    file = written(tmp_path, value)
    with pytest.raises(DataError) as refused:
        read_advisories(file)
    assert str(file) in str(refused.value)
    assert len(str(refused.value)) < len(str(file)) + 300


def test_a_damaged_archive_is_named(tmp_path):
    whole = zipped(tmp_path, entry(), b"{").read_bytes()
    flipped = whole.replace(b"\x08\x00", b"\x63\x00", 2)  # a way of packing that there is not
    cut = whole[: len(whole) // 2]
    wrong_sum = whole.replace(struct.pack("<I", zipfile.ZipFile(tmp_path / "all.zip").infolist()[0].CRC), b"abcd")
    for content in (whole, flipped, cut, wrong_sum):
        with pytest.raises(DataError, match=r"broken\.zip"):
            read_advisories(written(tmp_path, content, "broken.zip"))


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(tmp_path):
    with pytest.raises(DataError, match="more than an archive of advisories holds"):
        read_advisories(zipped(tmp_path, b" " * (advisories.LARGEST_ENTRY + 1)))


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path(os.devnull)):
        with pytest.raises(DataError, match="expected a file"):
            read_advisories(path)
    with pytest.raises(DataError, match="no such file"):
        read_advisories(tmp_path / "missing")
