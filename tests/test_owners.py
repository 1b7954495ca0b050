import os
import subprocess
import sys
from pathlib import Path

import pytest
from made import left_by_a_killed_process

from kronos_quant import files, owners
from kronos_quant.files import (
    abandoned,
    discard,
    find_abandoned,
    others_write,
    remove_abandoned,
    temporary_folder,
    write_aside,
    write_text,
)
from kronos_quant.owners import UNJUDGED_SECONDS, is_gone, owned_name, this_process


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    """Folders are swept again, as by a process that has just begun."""
    monkeypatch.setattr(files, "_swept", set())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_next_writer_of_a_folder_removes_what_a_killed_one_left(tmp_path):
    (tmp_path / left_by_a_killed_process("a.txt")).write_text("half")
    folder = tmp_path / left_by_a_killed_process("run")
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "x").write_text("half")
    write_text(tmp_path / "b.txt", "whole")
    assert names(tmp_path) == ["b.txt"]


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    with write_aside(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        files._swept.clear()
        write_text(tmp_path / "b.txt", "whole")
        assert names(tmp_path) == [partial.name, "b.txt"]
        assert others_write(tmp_path / "a.txt")
        assert not others_write(tmp_path / "b.txt")
    assert names(tmp_path) == ["a.txt", "b.txt"]


def test_an_id_that_is_used_again_is_another_process(tmp_path):
    host, pid, process = this_process().split("-")
    other = f".partial-{host}-{pid}-{process[::-1]}-00000000-a.txt"
    (tmp_path / other).write_text("half")
    assert names(tmp_path) == [path.name for path in abandoned(tmp_path)] == [other]
    assert is_gone(f"{host}-{pid}-{process[::-1]}")
    assert not is_gone(this_process())


@pytest.mark.parametrize("name", [".partial-01234567-{pid}-{process}-00000000-a.txt", ".partial-01234567-a.txt"])
def test_of_another_machine_and_of_an_earlier_version_only_what_is_old_is_removed(tmp_path, name):
    left = tmp_path / name.format(pid=99, process="89abcdef")
    left.write_text("half")
    assert abandoned(tmp_path) == []
    old = left.stat().st_mtime - UNJUDGED_SECONDS - 60
    os.utime(left, (old, old))
    assert abandoned(tmp_path) == [left]


def test_a_process_whose_start_is_hidden_is_not_taken_for_gone(tmp_path, monkeypatch):
    (tmp_path / owned_name(".partial-", "a.txt")).write_text("half")
    monkeypatch.setattr(owners, "process_identity", lambda pid=None: None)
    assert abandoned(tmp_path) == []


def test_names_of_users_are_no_leftovers_and_long_ones_fit(tmp_path):
    (tmp_path / "mine.partial-01234567-x").write_text("")
    (tmp_path / ".partial").write_text("")
    assert abandoned(tmp_path) == []
    long = "名" * 85
    write_text(tmp_path / long, "whole")
    assert long in names(tmp_path)
    assert len(os.fsencode(owned_name(".partial-", long))) <= 255


def test_a_workspace_is_searched_without_following_links(tmp_path):
    workspace, elsewhere, disk = (tmp_path / name for name in ("ws", "elsewhere", "disk"))
    for folder in (workspace / "runs" / "train" / "1", elsewhere, disk / "snapshots"):
        folder.mkdir(parents=True)
    left = left_by_a_killed_process("x")
    (workspace / "runs" / "link").symlink_to(elsewhere)
    (workspace / "db").symlink_to(disk)
    places = [workspace / left, workspace / "runs" / "train" / "1" / left, workspace / "db" / "snapshots" / left]
    for path in [*places, elsewhere / left]:
        path.mkdir()
        (path / left).write_text("within what is left")
    assert find_abandoned(workspace) == sorted(places)
    assert remove_abandoned(workspace) == sorted(places)
    assert find_abandoned(workspace) == []
    assert (elsewhere / left / left).exists()


def test_what_is_left_as_a_link_is_removed_and_not_what_it_names(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "x").write_text("x")
    (tmp_path / left_by_a_killed_process("a")).symlink_to(tmp_path / "kept")
    write_text(tmp_path / "b", "")
    assert names(tmp_path) == ["b", "kept"]
    assert names(tmp_path / "kept") == ["x"]


def test_a_new_file_replaces_nothing(tmp_path):
    target = tmp_path / "a.txt"
    with pytest.raises(FileExistsError), write_aside(target, new=True) as partial:
        partial.write_text("second")
        target.write_text("first")
    assert target.read_text() == "first"
    assert names(tmp_path) == ["a.txt"]
    with pytest.raises(FileExistsError), write_aside(tmp_path / "f") as partial:
        partial.mkdir()
        (tmp_path / "f" / "x").mkdir(parents=True)
    with write_aside(tmp_path / "b.txt", new=True) as partial:
        partial.write_text("whole")
    assert names(tmp_path) == ["a.txt", "b.txt", "f"]


def test_what_is_discarded_is_gone_and_may_be_gone_already(tmp_path):
    (tmp_path / "f" / "x").mkdir(parents=True)
    discard(tmp_path / "f")
    discard(tmp_path / "f")
    assert names(tmp_path) == []


KILLED = """
import os, sys
from kronos_quant.files import temporary_folder
with temporary_folder("weights") as folder:
    (folder / "copy").write_text("x")
    print(folder, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_temporary_folders_that_a_killed_process_left_are_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True)
    left = Path(killed.stdout.strip())
    assert (left / "copy").exists()
    foreign, link = tmp_path / "another", tmp_path / left.name.replace("weights", "linked")
    foreign.mkdir()
    link.symlink_to(foreign)
    with temporary_folder("weights") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert not left.exists()
        with temporary_folder("qlib"):
            assert folder.exists()
    assert names(tmp_path) == sorted(["another", link.name])
