"""A path is a path and never a pattern; whatever is wrong with a file is one line with its name."""

import os
import socket
from pathlib import Path

import duckdb
import polars as pl
import pytest
from pydantic import BaseModel

from kronos_quant import readers
from kronos_quant.errors import CheckpointError, DataError

NAMES = (
    "bars[1]",
    "b*",
    "a?",
    "{a,b}",
    "~x",
    "-x",
    "a#b",
    "a%20b",
    "a b",
    "a'b\"c",
    "行情",
    "s3:",
    "x=1",
    "**",
    "[!a]",
    ".hidden",
    "a\\b",
)
"""Of files and folders: patterns, addresses, home folders and Hive's partitions in other programs."""


class Stored(BaseModel):
    number: int


@pytest.fixture(params=NAMES)
def folder(tmp_path, request):
    """A folder of a strange name, beside ordinary ones that a pattern would match."""
    for decoy in ("bars1", "ba", "ab", "x", request.param):
        (tmp_path / decoy).mkdir(exist_ok=True)
    return tmp_path / request.param


@pytest.mark.parametrize("kind", ["parquet", "ipc", "csv"])
def test_a_name_is_never_a_pattern(folder, kind):
    wanted, decoy = pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2, 3]})
    for place in folder.parent.iterdir():
        for name in ("bars1", "ba", "ab", "x", folder.name):
            frame = wanted if (place, name) == (folder, folder.name) else decoy
            with (place / f"{name}.{kind}").open("wb") as stream:
                getattr(frame, f"write_{kind}")(stream)
    path = folder / f"{folder.name}.{kind}"
    read = {"parquet": readers.read_parquet, "ipc": readers.read_ipc, "csv": readers.read_csv}[kind](path)
    assert read.cast(pl.Int64).equals(wanted)
    if kind == "parquet":
        assert readers.scan_parquet(path).collect().equals(wanted)
        with duckdb.connect() as connection:
            assert connection.read_parquet(readers.duckdb_path(path)).fetchall() == [(1,)]
    path.unlink()
    with pytest.raises(DataError, match="no such file"):
        {"parquet": readers.read_parquet, "ipc": readers.read_ipc, "csv": readers.read_csv}[kind](path)


def test_a_name_relative_to_the_current_folder_is_no_home_folder_and_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("~/a.csv", "s3://bucket/a.csv", "-a.csv", "http://x/a.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("a\n1\n")
        assert readers.read_csv(Path(name)).rows() == [("1",)]


READS = {
    "text": readers.read_text,
    "json": readers.read_json,
    "lines": readers.read_json_lines,
    "model": lambda path, **given: readers.read_model(path, Stored, **given),
    "parquet": readers.read_parquet,
    "ipc": readers.read_ipc,
    "csv": readers.read_csv,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_only_regular_files_are_opened(tmp_path, read):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "s"))
    (tmp_path / "link").symlink_to("nowhere")
    cases = {
        "folder": "a folder",
        "pipe": "a pipe",
        "s": "a socket",
        "/dev/zero": "a device",
        "link": "leads nowhere",
        "none": "no such file",
        "a\0b": "null",
        "n" * 300: "cannot be read",
        "link/x": "no such file",
    }
    for name, words in cases.items():
        with pytest.raises(CheckpointError, match=words) as raised:
            read(tmp_path / name, error=CheckpointError, hint="do this")
        assert raised.value.hint == "do this"
        assert "\n" not in str(raised.value)
    listening.close()


JUNK = {
    "empty": b"",
    "junk": bytes(range(256)) * 4,
    "brackets": b"[" * 5000,
    "braces": b'{"a":' * 5000,
    "null": b"null",
    "list": b"[]",
    "other types": b'{"number": "x"}',
    "twice": b'{"number": 1, "number": 2}',
    "parquet's ends": b"PAR1" + b"x" * 50 + b"PAR1",
    "arrow's ends": b"ARROW1\0\0" + b"x" * 50 + b"ARROW1",
}


@pytest.mark.parametrize("read", [name for name in READS if name not in ("text", "csv", "lines")])
@pytest.mark.parametrize("content", JUNK.values(), ids=JUNK)
def test_junk_is_one_line_with_the_files_name(tmp_path, read, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    if read == "json" and content == JUNK["other types"]:
        assert readers.read_json(path) == {"number": "x"}
        return
    with pytest.raises(DataError) as raised:
        READS[read](path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def fault_of(read):
    """The message of the error, None without one."""
    try:
        read()
    except DataError as error:
        return str(error)
    return None


@pytest.mark.parametrize("part", range(1, 10))
@pytest.mark.parametrize("kind", ["parquet", "ipc"])
def test_a_table_that_is_cut_or_overwritten_is_one_line(tmp_path, kind, part):
    path = tmp_path / "file"
    frame = pl.DataFrame({"a": list(range(1000)), "b": [str(number) for number in range(1000)]})
    getattr(frame, f"write_{kind}")(path)
    content = path.read_bytes()
    at = len(content) * part // 10
    for damaged in (content[:at], content[:at] + bytes(60) + content[at + 60 :]):
        path.write_bytes(damaged)
        found = fault_of(lambda: READS[kind](path))
        assert found is None or (str(path) in found and "\n" not in found)
        assert found is not None or len(damaged) == len(content)


def test_a_table_of_80000_columns_is_refused(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{number}" for number in range(80_000)) + "\n" + ",".join("1" * 80_000) + "\n")
    with pytest.raises(DataError, match="expected at most 20,000 columns, found 80,000"):
        readers.read_csv(path)


def test_a_damaged_file_is_named_once(tmp_path, caplog):
    for _ in range(3):
        readers.pass_over(DataError(f"{tmp_path}: broken"))
    assert [record.message for record in caplog.records] == [
        f"warning: {tmp_path}: broken; left out (kq doctor --repair)"
    ]
