"""Damaged files are found by the doctor; a repair mends them or moves them aside, once; commands name them.

QUICK is a part of all pairs of PLACES and DAMAGES.
"""

import logging
import os
import shutil

import polars as pl
import pytest

import kronos_quant as kq
from kronos_quant import readers
from kronos_quant.errors import KronosQuantError
from kronos_quant.market.database import ingest_lock, open_database
from kronos_quant.market.snapshots import current_name, publish
from kronos_quant.report.pages.comparison import read_run
from kronos_quant.runs.folder import Run, finished_runs
from kronos_quant.training.logs import read_launches
from kronos_quant.workflows.damage import find_damage
from kronos_quant.workflows.doctor import check_installation, repair_workspace

RUN = "20240101-000000000-abcd"
MODEL = "models/own"


@pytest.fixture(scope="module")
def whole(trained_folder, tmp_path_factory):
    """A workspace with a file of every kind; its runs but the training are made by hand."""
    folder = tmp_path_factory.mktemp("whole") / "w"
    shutil.copytree(trained_folder, folder)
    best = next(folder.glob("runs/train/*/checkpoints/best"))
    shutil.copytree(best, folder / MODEL)
    for kind in ("backtest", "sweep"):
        run = folder / "runs" / kind / RUN
        run.mkdir(parents=True)
        (run / "manifest.json").write_text(f'{{"kind": "{kind}", "id": "{RUN}", "status": "finished"}}')
        (run / "metrics.json").write_text('{"sharpe_ratio": 1.0}')
    backtest, sweep = folder / "runs" / "backtest" / RUN, folder / "runs" / "sweep" / RUN
    (backtest / "config.yaml").write_text("strategy: {topk: 3}\n")
    days = kq.open(folder).market().sessions()[-3:]
    pl.DataFrame({"date": days, "return": [0.0, 0.1, 0.2]}).write_parquet(backtest / "returns.parquet")
    (sweep / "sweep.json").write_text('{"key": "a", "grid": {}}')
    pl.DataFrame({"trial": ["a"]}).write_parquet(sweep / "trials.parquet")
    assert not find_damage(kq.open(folder).folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "w")
    readers._named.clear()
    return tmp_path / "w"


def in_snapshot(name):
    def place(folder):
        snapshots = folder / "db" / "snapshots"
        return snapshots / current_name(snapshots) / name

    return place


def first(pattern):
    return lambda folder: next(folder.glob(pattern))


PLACES = {
    "pointer": lambda folder: folder / "db" / "snapshots" / "CURRENT",
    "database": lambda folder: folder / "db" / "market.duckdb",
    **{
        name: in_snapshot(name)
        for name in (
            "meta.json", "bars.day.parquet", "sessions.day.parquet", "instruments.parquet", "universes.parquet",
            "calendar.day.parquet", "history.parquet", "origins.parquet", "rejected_bars.parquet",
        )
    },
    "manifest": first("runs/backtest/*/manifest.json"),
    "metrics": first("runs/backtest/*/metrics.json"),
    "settings": first("runs/backtest/*/config.yaml"),
    "returns": first("runs/backtest/*/returns.parquet"),
    "sweep": first("runs/sweep/*/sweep.json"),
    "trials": first("runs/sweep/*/trials.parquet"),
    "training": first("runs/train/*/manifest.json"),
    "log": first("runs/train/*/log.jsonl"),
    "speed": first("runs/train/*/speed.json"),
    "trained card": first("runs/train/*/checkpoints/best/card.json"),
    "trained config": first("runs/train/*/checkpoints/best/predictor/config.json"),
    "trained weights": first("runs/train/*/checkpoints/best/predictor/model.safetensors"),
    "card": lambda folder: folder / MODEL / "card.json",
    "model config": lambda folder: folder / MODEL / "tokenizer" / "config.json",
}  # fmt: skip
"""Every kind of file that a command reads."""
OWNERS = {"database", "card", "model config"}
"""Those that only the owner of the workspace can replace."""


def replaced_by(content):
    return lambda path: path.write_bytes(content)


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def made_a_folder(path):
    path.unlink()
    path.mkdir()


def made_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def other_columns(path):
    pl.DataFrame({"odd": [1]}).write_parquet(path)


DAMAGES = {
    "truncated": truncated,
    "empty": replaced_by(b""),
    "junk": replaced_by(bytes(range(256)) * 20),
    "object": replaced_by(b"{}"),
    "list": replaced_by(b"[]"),
    "null": replaced_by(b"null"),
    "wrong types": replaced_by(b'{"kind": 1, "id": [], "status": {}, "format": "x", "launches": 7, "freqs": [1]}'),
    "brackets": replaced_by(b"[" * 5000),
    "other encoding": replaced_by(b"\xff\xfe\x00{"),
    "folder": made_a_folder,
    "pipe": made_a_pipe,
    "missing": lambda path: path.unlink(),
}
QUICK = [
    ("pointer", "folder"), ("pointer", "brackets"), ("meta.json", "pipe"), ("meta.json", "wrong types"),
    ("bars.day.parquet", "truncated"), ("history.parquet", "junk"), ("database", "junk"), ("database", "pipe"),
    ("manifest", "missing"), ("manifest", "folder"), ("returns", "junk"), ("settings", "other encoding"),
    ("speed", "wrong types"), ("trained card", "null"), ("card", "list"), ("trials", "empty"),
]  # fmt: skip


NEEDED = {"pointer", "meta.json", "bars.day.parquet", "metrics", "settings", "returns", "database"}


def use(file, folder):
    """Do what needs a file of NEEDED."""
    run = folder / "runs" / "backtest" / RUN
    if file in ("pointer", "meta.json", "bars.day.parquet"):
        kq.open(folder).market().bars()
    elif file in ("metrics", "settings", "returns"):
        read_run(Run("backtest", RUN, run, run))
    else:
        with ingest_lock(folder), open_database(folder):
            pass


def check_one(folder, file, damage):
    path = PLACES[file](folder)
    whole_bars = kq.open(folder).market().bars()
    DAMAGES[damage](path)
    named = str(path)
    if damage != "missing" and file in NEEDED:
        with pytest.raises(KronosQuantError) as caught:
            use(file, folder)
        assert named in str(caught.value)
        assert "\n" not in str(caught.value)
    found = [finding for finding in check_installation(folder) if finding.about == "damaged"]
    assert any(named in finding.detail for finding in found), (named, found)
    assert all(finding.fix for finding in found)
    assert all("\n" not in finding.detail for finding in found)
    done, left = repair_workspace(folder)
    if file in OWNERS:
        assert left == 1, done
        assert any(named in line for line in done)
    else:
        assert left == 0, done
        assert repair_workspace(folder) == ([], 0)
    assert kq.open(folder).market().bars().equals(whole_bars)


@pytest.mark.parametrize(("file", "damage"), QUICK, ids=[" ".join(one) for one in QUICK])
def test_a_damaged_file_is_found_and_repaired_once(folder, file, damage):
    check_one(folder, file, damage)


def test_a_run_without_its_manifest_is_passed_over_with_one_warning(folder, caplog):
    path = PLACES["manifest"](folder)
    path.unlink()
    with caplog.at_level(logging.WARNING):
        assert finished_runs(folder / "runs", "backtest") == finished_runs(folder / "runs", "backtest") == []
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]


def test_an_ingest_of_the_same_bars_replaces_a_damaged_snapshot(folder):
    bars, path = kq.open(folder).market().bars(), PLACES["bars.day.parquet"](folder)
    truncated(path)
    with ingest_lock(folder), open_database(folder) as connection:
        publish(folder, connection)
    assert path.exists()
    assert kq.open(folder).market().bars().equals(bars)


def test_without_a_database_the_newest_whole_snapshot_is_used_again(folder):
    bars = kq.open(folder).market().bars()
    PLACES["database"](folder).write_bytes(b"")
    pointer = PLACES["pointer"](folder)
    pointer.write_bytes(b"junk")
    assert repair_workspace(folder)[1] == 1
    assert kq.open(folder).market().bars().equals(bars)


@pytest.mark.parametrize("launches", ["7", '"a"', "[1]", '[{"ranks": 1}]', "{}"])
def test_speeds_of_a_wrong_type_are_one_error(tmp_path, launches):
    (tmp_path / "speed.json").write_text(f'{{"launches": {launches}}}')
    with pytest.raises(KronosQuantError, match=r"speed\.json"):
        read_launches(tmp_path)
