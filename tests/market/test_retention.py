from __future__ import annotations

import gc
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from made import store_unchecked

from kronos_quant import files
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import BarBatch, list_snapshots, open_market, prune_snapshots, retention, snapshots
from kronos_quant.market.snapshots import META, current_snapshot, lock_snapshot
from kronos_quant.runs import Inputs, staged_run

BatchMaker = Callable[..., BarBatch]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory, make_batch: BatchMaker) -> list[Path]:
    """Workspaces with 1, 2, ... 5 snapshots, created a second apart each."""
    root = tmp_path_factory.mktemp("stages")
    folders = []
    for number in range(5):
        name = store_unchecked(root / "live", make_batch({"A": {1 + number: 10.0}})).snapshot[:16]
        meta = root / "live" / "db" / "snapshots" / name / META
        meta.write_text(json.dumps(json.loads(meta.read_text()) | {"created": f"2024-06-01T10:00:{number:02d}+00:00"}))
        folders.append(Path(shutil.copytree(root / "live", root / str(number))))
    return folders


@pytest.fixture
def fill(tmp_path: Path, stages: list[Path]) -> Callable[[int], list[str]]:
    """A function that publishes up to five snapshots, a second apart each; returns their names, oldest first."""

    def publish(count: int) -> list[str]:
        shutil.copytree(stages[count - 1], tmp_path, dirs_exist_ok=True)
        return [one.name for one in reversed(list_snapshots(tmp_path))]

    return publish


def kept(root: Path) -> set[str]:
    return {path.name for path in (root / "db" / "snapshots").iterdir() if path.is_dir()}


def test_snapshots_are_listed_newest_first(tmp_path: Path, fill: Callable[[int], list[str]]) -> None:
    first, second = fill(2)
    newest, oldest = list_snapshots(tmp_path)
    assert (newest.name, newest.bars, newest.current) == (second, 2, True)
    assert oldest.as_dict() == {
        "name": first,
        "created": "2024-06-01T10:00:00+00:00",
        "bars": 1,
        "first": "2024-01-02",
        "last": "2024-01-02",
        "current": False,
        "bytes": oldest.size,
        "runs": [],
        "open": False,
    }
    assert newest.row() == {
        "name": second,
        "created": "2024-06-01 10:00:01",
        "bars": 2,
        "first": date(2024, 1, 2),
        "last": date(2024, 1, 3),
        "MB": "0.0",
        "runs": 0,
        "used by": "current",
    }
    folder = tmp_path / "db" / "snapshots" / first
    assert oldest.size == sum(path.stat().st_size for path in folder.iterdir())


def test_a_workspace_without_bars_has_none_and_prunes_none(tmp_path: Path) -> None:
    assert list_snapshots(tmp_path) == []
    assert prune_snapshots(tmp_path).removed == ()


def test_pruning_keeps_the_newest_and_says_what_it_did(tmp_path: Path, fill: Callable[[int], list[str]]) -> None:
    names = fill(5)
    sizes = {one.name: one.size for one in list_snapshots(tmp_path)}
    pruned = prune_snapshots(tmp_path)
    assert set(pruned.removed) == set(names[:2])
    assert set(pruned.kept) == set(names[2:]) == kept(tmp_path)
    assert pruned.freed == sizes[names[0]] + sizes[names[1]]
    assert pruned.lines() == ["deleted 2 snapshots, kept 3; 0.0 MB freed"]
    assert prune_snapshots(tmp_path).lines() == ["deleted 0 snapshots, kept 3"]
    assert prune_snapshots(tmp_path, keep=1).kept == (names[4],)
    assert open_market(tmp_path).snapshot.digest[:16] == names[4]
    with pytest.raises(ConfigError, match="keep: expected at least 1, found 0"):
        prune_snapshots(tmp_path, keep=0)


def test_the_current_one_stays_even_when_it_is_the_oldest(
    tmp_path: Path, make_batch: BatchMaker, fill: Callable[[int], list[str]]
) -> None:
    store_unchecked(tmp_path, make_batch({"A": {1: 10.0}}))
    store_unchecked(tmp_path, make_batch({"A": {1: 11.0}}))
    first, _ = (one.name for one in sorted(list_snapshots(tmp_path), key=lambda one: not one.current))
    store_unchecked(tmp_path, make_batch({"A": {1: 10.0}}))  # back to an older state, published long ago
    [current] = [one.name for one in list_snapshots(tmp_path) if one.current]
    assert current != first
    meta = tmp_path / "db" / "snapshots" / current / META
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"created": "2020-01-01T00:00:00+00:00"}))
    assert prune_snapshots(tmp_path, keep=1).removed == ()
    assert kept(tmp_path) == {first, current}


def test_a_snapshot_that_a_run_names_stays(tmp_path: Path, fill: Callable[[int], list[str]]) -> None:
    names = fill(3)
    digest = {one.name: one for one in list_snapshots(tmp_path)}
    meta = json.loads((tmp_path / "db" / "snapshots" / names[0] / META).read_text())
    with staged_run(tmp_path / "runs", "backtest", Inputs(snapshot=meta["digest"])) as run:
        pass
    broken = tmp_path / "runs" / "train" / "1"
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{")
    [named] = [one for one in list_snapshots(tmp_path) if one.runs]
    assert (named.name, named.runs) == (names[0], (f"backtest/{run.id}",))
    assert named.row()["used by"] == "a run"
    assert digest[names[0]].runs == ()
    assert prune_snapshots(tmp_path, keep=1).removed == (names[1],)


def test_a_snapshot_stays_while_a_reader_has_it_open(
    tmp_path: Path, make_batch: BatchMaker, fill: Callable[[int], list[str]]
) -> None:
    [first] = fill(1)
    market = open_market(tmp_path)
    store_unchecked(tmp_path, make_batch({"A": {2: 11.0}}))
    assert [one.name for one in list_snapshots(tmp_path) if one.is_open] == [first]
    assert prune_snapshots(tmp_path, keep=1).removed == ()
    assert len(market.bars()) == 1
    del market
    gc.collect()
    assert prune_snapshots(tmp_path, keep=1).removed == (first,)


def test_a_reader_in_another_process_keeps_it_until_it_is_killed(
    tmp_path: Path, make_batch: BatchMaker, fill: Callable[[int], list[str]]
) -> None:
    [first] = fill(1)
    code = (
        "import sys; from pathlib import Path; from kronos_quant.market import open_market\n"
        "market = open_market(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"open\n"
        store_unchecked(tmp_path, make_batch({"A": {2: 11.0}}))
        assert prune_snapshots(tmp_path, keep=1).removed == ()
    finally:
        reader.kill()
        reader.communicate()
    assert prune_snapshots(tmp_path, keep=1).removed == (first,)


def test_an_open_market_can_be_sent_to_another_process(tmp_path: Path, fill: Callable[[int], list[str]]) -> None:
    fill(1)
    market = open_market(tmp_path)
    assert pickle.loads(pickle.dumps(market)) == market


def test_a_damaged_snapshot_is_listed_and_pruned(tmp_path: Path, fill: Callable[[int], list[str]]) -> None:
    first, second, third = fill(3)
    folder = tmp_path / "db" / "snapshots"
    (folder / first / META).unlink()
    (folder / second / META).write_text("{")
    assert [(one.name, one.created is None) for one in list_snapshots(tmp_path)][:1] == [(third, False)]
    assert [one.created for one in list_snapshots(tmp_path)[1:]] == [None, None]
    assert set(prune_snapshots(tmp_path, keep=1).removed) == {first, second}


def test_a_reader_that_comes_between_finds_the_newer_snapshot(
    tmp_path: Path, make_batch: BatchMaker, fill: Callable[[int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [first] = fill(1)
    names = iter([first])
    real = snapshots.current_name

    def late(folder: Path) -> str | None:
        """The first reading of the pointer is overtaken by an ingest and a prune."""
        for name in names:
            store_unchecked(tmp_path, make_batch({"A": {2: 11.0}}))
            assert prune_snapshots(tmp_path, keep=1).removed == (first,)
            return name
        return real(folder)

    monkeypatch.setattr(snapshots, "current_name", late)
    snapshot = current_snapshot(tmp_path)
    assert snapshot is not None
    assert snapshot.freqs["day"].bars == 2


def test_a_reader_does_not_try_for_ever(tmp_path: Path, fill: Callable[[int], list[str]]) -> None:
    [only] = fill(1)
    (tmp_path / "db" / "snapshots" / only / META).unlink()
    with pytest.raises(DataError, match=r"meta\.json: no such file"):
        current_snapshot(tmp_path)


def test_one_that_is_opened_at_the_last_moment_is_left(
    tmp_path: Path, fill: Callable[[int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = fill(2)
    held = lock_snapshot(tmp_path / "db" / "snapshots" / first, alone=False)
    monkeypatch.setattr(retention, "_is_open", lambda _: False)
    assert prune_snapshots(tmp_path, keep=1).removed == ()
    os.close(held)
    assert kept(tmp_path) == {first, second}
    assert prune_snapshots(tmp_path, keep=1).removed == (first,)


def test_what_a_killed_prune_left_is_cleared_by_the_next_ingest(
    tmp_path: Path, make_batch: BatchMaker, fill: Callable[[int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(2)

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(files.shutil, "rmtree", killed)
    with pytest.raises(SystemExit):
        prune_snapshots(tmp_path, keep=1)
    monkeypatch.undo()
    assert len(list_snapshots(tmp_path)) == 1
    store_unchecked(tmp_path, make_batch({"A": {9: 11.0}}))
    assert len(kept(tmp_path)) == 2
