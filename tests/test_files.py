import errno
import json
import os
import re
from pathlib import Path

import pytest

from kronos_quant import DataError, KronosQuantError
from kronos_quant.files import asset_dir, disk_errors, file_digest, write_aside, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_nothing_is_left_beside(tmp_path):
    with write_aside(tmp_path / "a" / "x.txt") as partial:
        partial.write_text("whole")
        assert names(tmp_path / "a") == [partial.name]
    assert names(tmp_path / "a") == ["x.txt"]
    assert (tmp_path / "a" / "x.txt").read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError("bug"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_no_partial(tmp_path, error):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with pytest.raises(type(error)), write_aside(target) as partial:
        partial.write_text("half")
        raise error
    assert names(tmp_path) == ["x.txt"]
    assert target.read_text() == "old"


def test_a_folder_is_renamed_as_a_whole(tmp_path):
    with write_aside(tmp_path / "run") as folder:
        folder.mkdir()
        (folder / "inner.txt").write_text("x")
        assert not (tmp_path / "run").exists()
    assert names(tmp_path / "run") == ["inner.txt"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on the disk"),
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied or read-only"),
        (RuntimeError("IO Error: Could not write: No space left on device"), "no space left on the disk"),
    ],
)
def test_a_full_disk_is_told_in_one_line_however_a_library_words_it(tmp_path, error, words):
    target = tmp_path / "x.txt"
    with pytest.raises(KronosQuantError, match=f"x.txt: cannot write: {words}"), write_aside(target):
        raise error
    assert names(tmp_path) == []


def test_other_errors_pass_unchanged(tmp_path):
    with pytest.raises(DataError, match="mine"), disk_errors(tmp_path):
        raise DataError("mine")
    with pytest.raises(ZeroDivisionError), disk_errors(tmp_path):
        _ = 1 / 0


def test_json_and_text_are_utf8(tmp_path):
    write_json(tmp_path / "a.json", {"name": "贵州茅台", "path": Path("x")})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"name": "贵州茅台", "path": "x"}
    write_text(tmp_path / "a.txt", "é")
    assert (tmp_path / "a.txt").read_bytes() == "é".encode()


def test_the_digest_is_the_sha256_of_the_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_digest(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("name", "file"), [("db", "migrations/0001_bars.sql"), ("signals", "default.yaml"), ("strategies", "topk.yaml")]
)
def test_the_folders_that_travel_with_the_package_are_found(name, file):
    assert (asset_dir(name) / file).is_file()


def test_a_folder_that_does_not_travel_is_a_bug_reported_by_name():
    with pytest.raises(FileNotFoundError, match="installed without its folder nope/"):
        asset_dir("nope")


def test_an_error_of_the_disk_names_the_final_place(tmp_path):
    def write(final):
        with write_aside(final) as partial:
            partial.mkdir()
            with disk_errors(partial / "a-b.json"):
                raise OSError(errno.ENOSPC, "full")

    with pytest.raises(KronosQuantError, match=re.escape(f"{tmp_path / 'run-2026-01'}{os.sep}a-b.json: cannot write")):
        write(tmp_path / "run-2026-01")
