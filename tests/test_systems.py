"""What differs between systems: a simulated Windows, its consoles, and children that watch their parent."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from killing import write_csv
from made import HANG_SECONDS, ROOT

from kronos_quant import system
from kronos_quant.system import (
    accept_every_letter,
    choose_temporary_folder,
    flush_file,
    has_parent,
    is_closed_pipe,
    move,
)

Windows = Callable[[Any], Any]
FORBIDDEN = set('<>:"|?*\\')
"""Characters that no name has on Windows."""
INGEST = ["ingest", "csv", "bars.csv", "--exchange", "XNYS"]


def simulated(*arguments: str) -> Iterator[Windows]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "as_windows.py"), *arguments], stdin=-1, stdout=-1, text=True
    )

    def ask(job: Any) -> Any:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.communicate()
    assert process.returncode == 0


@pytest.fixture
def windows() -> Iterator[Windows]:
    """A function that does a job of as_windows.py."""
    yield from simulated()


@pytest.fixture
def whole_windows() -> Iterator[Windows]:
    """The same with every library loaded."""
    yield from simulated("all")


def do(windows: Windows, folder: Path, *arguments: str) -> str:
    """Run a command, which must succeed; returns what it printed."""
    code, out, err = windows([str(folder), list(arguments)])
    assert (code, err) == (0, ""), (arguments, out, err)
    return str(out)


def check_names(folder: Path) -> None:
    """Whether Windows can hold every file: no forbidden name, and none that differs by its case alone."""
    for place, folders, files in os.walk(folder):
        names = [*folders, *files]
        assert not [name for name in names if set(name) & FORBIDDEN or name[-1] in " ."], place
        assert len({name.casefold() for name in names}) == len(names), place


@pytest.mark.slow
def test_bars_are_stored_and_old_snapshots_deleted_as_on_windows(windows: Windows, tmp_path: Path) -> None:
    do(windows, tmp_path, "init", "w")
    folder = tmp_path / "w"
    assert b"\r" not in (folder / "kq.yaml").read_bytes()
    write_csv(folder)
    assert "180 new" in do(windows, folder, *INGEST)
    assert windows({"read": str(folder)}) == 0
    write_csv(folder, 1.001)
    assert "87 changed, 93 unchanged" in do(windows, folder, *INGEST)
    # a reader has the first one open: nothing of it is removed
    assert do(windows, folder, "snapshot", "prune", "--keep", "1") == "deleted 0 snapshots, kept 2\n"
    assert windows({}) == 0
    assert do(windows, folder, "snapshot", "prune", "--keep", "1").startswith("deleted 1 snapshot, kept 1; ")
    assert do(windows, folder, "signal", "list")
    # ± and € are not in the encoding of a Chinese console, the symbol is
    code, out, err = windows([str(folder), ["history", "中€"]])
    assert (code, out) == (3, "")
    assert "中?" in err
    check_names(tmp_path)


@pytest.mark.slow
def test_every_module_and_the_quick_commands_run_as_on_windows(
    whole_windows: Windows, scored_workspace: Any, tmp_path: Path
) -> None:
    assert whole_windows(None) > 200
    root = scored_workspace.root
    for arguments in (
        ["signal", "import", "scores.csv", "--name", "mine"],
        ["backtest", "strategies/own.yaml"],
        ["backtest", "strategies/own.yaml"],
        ["sweep", "strategies/own.yaml", "--grid", "topk=2,3"],
        ["snapshot", "prune", "--keep", "1"],
        ["check", "--html", "quality.html"],
        ["export", "bars", "bars.parquet"],
        ["export", "bars", "qlib", "--format", "qlib"],
        ["signal", "list"],
        ["signal", "show", "mine"],
        ["config", "show"],
    ):
        do(whole_windows, root, *arguments)
    assert "kronos-quant" in whole_windows([str(root), ["doctor"]])[1]
    check_names(root)


@pytest.mark.parametrize("encoding", ["cp936", "cp1252"])
def test_a_console_of_another_encoding_shows_what_it_can_and_json_is_whole(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    from kq_cli.printing import print_json, print_lines

    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n", write_through=True)
    monkeypatch.setattr(sys, "stdout", console)
    accept_every_letter()
    text = "中文 ± € → 🙂"
    print_lines([text])
    print_json({"text": text})
    shown, _, rest = console.buffer.getvalue().decode(encoding).partition("\n")  # type: ignore[attr-defined]
    assert shown == text.encode(encoding, "replace").decode(encoding)
    assert json.loads(rest) == {"text": text}


SCRIPT = """
import os
from kronos_quant.children import process_pool
print("run")
with process_pool(1, os.getcwd, ()) as pool:
    print(pool.submit(abs, -3).result())
"""


def test_a_script_of_a_user_needs_no_guard_of_its_main_module(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, timeout=HANG_SECONDS, check=True
    )
    assert done.stdout.split() == ["run", "3"]


def test_a_parent_is_known_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.communicate()
    for windows in (False, True):
        monkeypatch.setattr(system, "WINDOWS", windows)
        assert has_parent(os.getppid())
        assert not has_parent(child.pid)


def test_a_file_is_flushed_and_replaces_another(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("new")
    target.write_text("old")
    source.chmod(0o444)
    flush_file(source)
    move(source, target)
    assert (target.read_text(), source.exists()) == ("new", False)
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_closed_pipe_is_told_from_other_faults() -> None:
    assert is_closed_pipe(BrokenPipeError(32, "Broken pipe"))
    assert not is_closed_pipe(OSError(22, "Invalid argument"))


def test_the_temporary_folder_is_chosen_without_a_file_that_a_kill_would_leave(tmp_path, monkeypatch):
    def probe():
        raise AssertionError("a file was written to try the folder")

    monkeypatch.setattr(tempfile, "_get_default_tempdir", probe)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setenv("TEMP", str(tmp_path))
    choose_temporary_folder()
    assert tempfile.gettempdir() == str(tmp_path)
