"""Damaged files are found by the doctor; a repair mends them or moves them aside, once; commands name them.

QUICK is a part of all pairs of PLACES and DAMAGES.
"""

import logging
import os
import shutil
from itertools import product

import numpy as np
import polars as pl
import pytest
from made import write_scores

import kronos_quant as kq
from kronos_quant import readers
from kronos_quant.errors import KronosQuantError
from kronos_quant.market.database import ingest_lock, open_database
from kronos_quant.market.snapshot_parts import current_name
from kronos_quant.market.snapshots import publish
from kronos_quant.report.pages.comparison import read_run
from kronos_quant.runs.folder import Run, finished_runs
from kronos_quant.training import place
from kronos_quant.training.logs import read_launches
from kronos_quant.training.run import plan_training, prepare_run_folder
from kronos_quant.validity.trials import TrialRow, record_trials
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
    workspace = kq.open(folder)
    returns = np.array([0.1, 0.2])
    record_trials(folder / "runs", f"backtest/{RUN}", "s", "b", days[1:], [TrialRow("a", "{}", returns, returns)])
    workspace.signals(start=days[-2], end=days[-1], device="cpu")
    write_scores(workspace.folder, "scores.csv", 5)
    workspace.import_signals(folder / "scores.csv", name="theirs")
    prepare_run_folder(workspace.folder, plan_training(workspace.folder, place(0)))
    assert not find_damage(workspace.folder)
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


def of_the_training(path):
    return lambda folder: next(folder.glob("runs/train/*/checkpoints")).parent / path


PLACES = {
    "pointer": lambda folder: folder / "db" / "snapshots" / "CURRENT",
    "database": lambda folder: folder / "db" / "market.duckdb",
    **{
        name: in_snapshot(name)
        for name in (
            "meta.json", "bars.day.parquet", "sessions.day.parquet", "instruments.parquet", "universes.parquet",
            "history.parquet", "origins.parquet", "rejected_bars.parquet", "calendar.day.parquet",
            "warned_bars.parquet",
        )
    },
    "manifest": first("runs/backtest/*/manifest.json"),
    "metrics": first("runs/backtest/*/metrics.json"),
    "settings": first("runs/backtest/*/config.yaml"),
    "returns": first("runs/backtest/*/returns.parquet"),
    "sweep": first("runs/sweep/*/sweep.json"),
    "trials": first("runs/sweep/*/trials.parquet"),
    "sweep's manifest": first("runs/sweep/*/manifest.json"),
    "ledger": first("runs/trials/*.parquet"),
    "signals": first("signals/store/*/2*.parquet"),
    "recipe": lambda folder: next(folder.glob("signals/store/*/2*.parquet")).with_name("recipe.json"),
    "import": first("signals/store/*/imported.parquet"),
    "job": lambda folder: max(folder.glob("runs/train/*/job.json")),
    **{
        name: of_the_training(path)
        for name, path in {
            "training": "manifest.json",
            "log": "log.jsonl",
            "speed": "speed.json",
            "trained card": "checkpoints/best/card.json",
            "trained config": "checkpoints/best/predictor/config.json",
            "trained weights": "checkpoints/best/predictor/model.safetensors",
        }.items()
    },
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


def made_a_loop(path):
    path.unlink()
    path.symlink_to(path.name)


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
    "loop": made_a_loop,
    "table": other_columns,
    "missing": lambda path: path.unlink(),
}
QUICK = [
    ("pointer", "folder"), ("pointer", "brackets"), ("meta.json", "pipe"), ("meta.json", "wrong types"),
    ("bars.day.parquet", "truncated"), ("history.parquet", "junk"), ("database", "junk"), ("database", "pipe"),
    ("manifest", "missing"), ("manifest", "folder"), ("returns", "junk"), ("settings", "other encoding"),
    ("speed", "wrong types"), ("trained card", "null"), ("card", "list"), ("trials", "empty"),
]  # fmt: skip


OLDER = ("history.parquet", "origins.parquet", "rejected_bars.parquet", "calendar.day.parquet", "warned_bars.parquet")
"""What snapshots of older versions do not have."""
HARMLESS = {
    (file, "missing") for file in (*OLDER, "ledger", "speed", "trained card", "card", "job", "recipe", "log")
} | {(file, "missing") for file in ("signals", "import", "sweep", "trials")}
HARMLESS |= {("speed", "object"), ("card", "object"), ("card", "wrong types"), ("trained card", "object")}
HARMLESS |= {("trained card", "wrong types")}
"""Files that may lack, those of signals and trials that nothing else speaks of, and contents without known keys."""

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


ALL = [pair for pair in product(PLACES, DAMAGES) if pair not in HARMLESS]


@pytest.mark.parametrize(
    ("file", "damage"), [*QUICK, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in ALL if pair not in QUICK)]
)
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
