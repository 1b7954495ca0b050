"""What lies where a command expects a file or a folder of its own: pipes, links, devices, names of odd letters."""

import errno
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from made import ROOT

from kronos_quant.market import open_market

CSV = "timestamps,open,high,low,close,volume\n2025-06-03,10,11,9,10,100\n2025-06-04,10,11,9,10,100\n"
RUN = "from kq_cli.app import main; main()"
FOLDERS = ("runs", "runs/backtest", "runs/trials")


@pytest.fixture
def held(scored_workspace) -> Path:
    """A workspace with bars and a strategy on stored scores, and a file to ingest."""
    (scored_workspace.root / "AAA.csv").write_text(CSV)
    return scored_workspace.root


def replace_by(kind: str, path: Path) -> None:
    """Put a pipe, a socket, a link or a folder in the place of a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path is short
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
        os.chdir(here)
    elif kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.touch()
    else:
        path.symlink_to({"link to itself": path.name, "link to nothing": "/nowhere", "device": "/dev/zero"}[kind])


@pytest.mark.parametrize("kind", ["pipe", "link to itself", "link to nothing", "file"])
def test_what_has_the_place_of_a_folder_is_named(kq, held, kind):
    for name in FOLDERS:
        replace_by(kind, held / name)
        code, _, err = vars(kq(held, "backtest", "own")).values()
        words = {"pipe": "a pipe", "file": "a file"}.get(kind, "a link that leads nowhere")
        assert code == 3
        assert f"error: {held / name}" in err
        assert f": {words}, expected a folder\nhint:  Move it away.\n" in err
        if name != "runs/trials":
            assert f": {words}, expected a folder" in kq(held, "doctor").out
        (held / name).unlink()


@pytest.mark.parametrize("kind", ["pipe", "socket", "link to itself", "link to nothing", "device", "folder"])
def test_the_files_beside_the_database_end_no_ingest_but_in_one_line(kq, held, contents, kind):
    replace_by(kind, held / "db" / "ingest.holder")
    assert kq(held, "ingest", "csv", "AAA.csv").code == 0  # it only tells who writes
    before = contents(held)
    (held / "db" / "ingest.lock").unlink()
    replace_by(kind, held / "db" / "ingest.lock")
    code, error, hint = kq(held, "ingest", "csv", "AAA.csv").refusal()
    assert (code, hint) == (3, "Delete it.")
    assert error.startswith(f"{held / 'db' / 'ingest.lock'}: ")
    assert error.endswith(", expected a file")
    assert {name: content for name, content in contents(held).items() if "ingest." not in str(name)} == {
        name: content for name, content in before.items() if "ingest." not in str(name)
    }


def test_a_database_that_is_gone_is_not_made_again_below_its_snapshots(kq, held, contents):
    database = held / "db" / "market.duckdb"
    shutil.move(database, held.parent / "kept.duckdb")
    before = contents(held)
    code, error, hint = kq(held, "ingest", "csv", "AAA.csv").refusal()
    assert (code, error.partition(" (")[0]) == (3, f"{database}: no such file, although bars were published from it")
    assert hint.startswith("Put it back from a copy, or move ")
    database.symlink_to("/nowhere/market.duckdb")  # on a disk that is not there today
    assert kq(held, "ingest", "csv", "AAA.csv").refusal()[1] == f"{database}: a link that leads nowhere"
    database.unlink()
    assert contents(held) == before
    shutil.move(held.parent / "kept.duckdb", database)
    assert kq(held, "ingest", "csv", "AAA.csv").code == 0


@pytest.mark.parametrize("name", ["a?b", "a\\b", "new\nline", "b*[1]"])
def test_a_workspace_of_an_odd_name_works_or_is_refused(kq, held, tmp_path, contents, name):
    root = tmp_path / name
    if name[1] not in "?\\":
        held.rename(root)
        assert kq(root, "ingest", "csv", "AAA.csv").code == 0
        assert {path.name for path in (root / "db").iterdir()} == {"ingest.lock", "market.duckdb", "snapshots"}
        return
    root.mkdir()
    assert kq(tmp_path, "init", name).refusal()[::2] == (2, "Rename the folder.")
    assert not contents(root)
    root.rmdir()
    held.rename(root)  # DuckDB would write its log into another folder
    before = contents(root)
    code, error, _ = kq(root, "ingest", "csv", "AAA.csv").refusal()
    assert (code, error) == (
        3,
        f"{root / 'db' / 'market.duckdb'}: contains {name[1]!r}, with which DuckDB keeps no database",
    )
    assert contents(root) == before
    assert kq(root, "export", "bars", "out.csv").code == 0


def test_names_that_are_not_utf8(kq, held, tmp_path):
    odd = "\udcff\udcfe"
    shutil.copytree(held, tmp_path / odd)
    shutil.copy(held / "AAA.csv", held / f"{odd}.csv")
    (held / "many").mkdir()
    shutil.copy(held / "AAA.csv", held / "many" / f"{odd}.csv")
    for folder, arguments in (
        (held, ("ingest", "csv", f"{odd}.csv")),
        (held, ("history", odd)),
        (held, ("ingest", "csv", "many")),
        (tmp_path / odd, ("ingest", "csv", "AAA.csv")),
        (tmp_path / odd, ("runs",)),
        (tmp_path / odd, ("init",)),
    ):
        code, error, hint = kq(folder, *arguments).refusal()
        assert (code in (2, 3), hint.startswith("Rename "), "UTF-8" in error) == (True, True, True)


@pytest.mark.parametrize("kind", ["pipe", "link to itself", "link to nothing", "device", "folder"])
def test_a_configuration_that_is_no_file_is_named(kq, held, kind):
    for name, arguments in (
        ("kq.yaml", ("runs",)),
        ("strategies/own.yaml", ("backtest", "own")),
        ("signals/default.yaml", ("evaluate",)),
    ):
        kept = (held / name).read_text()
        replace_by(kind, held / name)
        code, error, _ = kq(held, *arguments).refusal()
        assert code == 2
        assert error.startswith(f"{held / name}: a {kind.partition(' ')[0]}")
        (held / name).rmdir() if kind == "folder" else (held / name).unlink()
        (held / name).write_text(kept)


def test_a_link_to_nothing_is_no_missing_symbol(kq, held):
    assert kq(held, "export", "bars", "qlib", "--format", "qlib").code == 0
    for kind in ("link to nothing", "link to itself"):
        replace_by(kind, held / "qlib" / "features" / "zzz")
        code, error, _ = kq(held, "ingest", "qlib", "qlib").refusal()
        assert (code, error) == (3, "qlib/features/zzz: a link that leads nowhere, expected the folder of a symbol")
    (held / "qlib" / "features" / "zzz").unlink()
    replace_by("pipe", held / "qlib" / "calendars" / "day.txt")
    assert kq(held, "ingest", "qlib", "qlib").refusal()[1] == "qlib/calendars/day.txt: a pipe, expected a file"


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="a file of Linux whose reader waits for ever")
def test_a_file_of_the_system_is_no_file(kq, held):
    for name in ("kmsg", "self/environ"):
        (held / "odd.csv").unlink(missing_ok=True)
        (held / "odd.csv").symlink_to(f"/proc/{name}")
        code, error, _ = kq(held, "ingest", "csv", "odd.csv").refusal()
        assert (code, error) == (3, "odd.csv: a file of the system, expected a file")


@pytest.mark.slow
def test_streams_that_are_closed_or_full_change_no_code(held):
    """A shell that starts kq without its streams: the next file that is opened must not get what is printed."""
    for command, code in (("history NOBODY", 3), ("ingest csv AAA.csv", 0)):
        for streams in (">&-", "<&- >&- 2>&-", "2>/dev/full"):
            line = f"{sys.executable} -P -c '{RUN}' {command} {streams}"
            done = subprocess.run(["sh", "-c", line], cwd=held, capture_output=True, check=False, env=environment())
            assert (done.returncode, b"Traceback" in done.stderr) == (code, False), (command, streams, done.stderr)
    assert kq_bars(held) == 2


def test_a_folder_that_was_deleted(held, tmp_path):
    line = f"mkdir gone; cd gone; rmdir ../gone; {sys.executable} -P -c '{RUN}' runs"
    done = subprocess.run(["sh", "-c", line], cwd=held, capture_output=True, check=False, env=environment())
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: the current folder: ")


def environment() -> dict[str, str]:
    """With this source in the path."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}"}


def kq_bars(root: Path) -> int:
    """Bars of the symbol that was ingested."""
    return open_market(root).bars("AAA").height


def test_an_import_that_fails_on_the_way_leaves_nothing(kq, held, contents, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = contents(held)
    monkeypatch.setattr("kronos_quant.signals.store.SignalStore.write_import", full)
    code, error, _ = kq(held, "signal", "import", "scores.csv", "--name", "mine").refusal()
    assert (code, "no space left on the disk" in error) == (1, True)
    assert contents(held) == before
    assert not any((held / "signals" / "store").glob("*"))


def test_a_folder_that_may_not_be_read_is_named(kq, held, monkeypatch):
    """The answer of the system is replaced: whoever runs the tests in a container may read everything."""
    may, locked = os.access, str(held / "runs")
    monkeypatch.setattr("os.access", lambda path, mode: may(path, mode) and not str(path).startswith(locked))
    (held / "runs").mkdir(exist_ok=True)
    assert f"{locked}: a folder that may not be read" in kq(held, "doctor").out
    code, _, err = vars(kq(held, "backtest", "own")).values()
    assert code == 3
    assert f"error: {locked}: a folder that may not be read\nhint:  Grant the permission to read it.\n" in err
