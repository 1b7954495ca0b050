import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from kronos_quant import KronosQuantError
from kronos_quant.model import Paths
from kronos_quant.signals import scorer
from kronos_quant.signals.generate import _task
from kronos_quant.signals.scorer import LEAST_PRICE_SHARE, Scorer, score_dates
from kronos_quant.signals.scores import score_paths

COLUMNS = [
    "date", "asof", "symbol", "close", "base", "mean", "last", "max", "min", "median", "p_rise",
    "q05", "q10", "q25", "q50", "q75", "q90", "q95", "spread", "shortfall", "mean_over_spread", "std_error",
    "mean_error", "max_error", "min_error", "median_error", "p_rise_error", "mean_over_spread_error",
    "published", "published_error", "samples",
]  # fmt: skip


def tasks_of(made, count):
    plan = made.plan(made.market.sessions()[-count:])
    return [_task(plan.table, work, made.recipe.clip) for work in plan.missing]


def scorer_of(made):
    return Scorer(made.weights.pair, made.recipe, "cpu")


def test_the_rows_of_a_date_say_what_they_are_of(bench):
    made = bench()
    [task] = tasks_of(made, 1)
    rows = scorer_of(made).score(task)
    assert rows.columns == COLUMNS
    assert rows["date"].unique().to_list() == [task.on]
    assert rows["samples"].unique().to_list() == [4]
    closes = made.market.bars(start=task.on).select("symbol", pl.col("close").cast(pl.Float64).alias("known"))
    assert rows.join(closes, on="symbol").select((pl.col("close") == pl.col("known")).all()).item()


def test_a_row_depends_on_its_own_window_only(bench):
    made = bench()
    [task] = tasks_of(made, 1)
    rows = scorer_of(made).score(task)
    plan = made.plan([task.on])
    index = plan.missing[0].index
    for keep in (0, len(index) - 1):
        only = plan.missing[0].__class__(
            task.on, index.where(np.arange(len(index)) == keep), plan.missing[0].future, ""
        )
        alone = scorer_of(made).score(_task(plan.table, only, made.recipe.clip))
        assert alone.equals(rows[keep : keep + 1])


def test_one_process_and_several_give_identical_rows(bench, monkeypatch):
    made = bench()
    tasks = tasks_of(made, 8)

    def run(cores):
        monkeypatch.setattr(scorer, "_cores", lambda: cores)
        return list(score_dates(tasks, len(tasks), made.weights.pair, made.recipe, "cpu"))

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = run(1)
    finally:
        torch.set_num_threads(threads)
    together = run(2)
    assert [rows["date"][0] for rows in together] == [task.on for task in tasks]
    assert all(one.equals(other) for one, other in zip(alone, together, strict=True))


def test_a_process_that_dies_while_it_starts_is_one_clear_error(bench, monkeypatch):
    made = bench()
    tasks = tasks_of(made, 8)
    monkeypatch.setattr(scorer, "_cores", lambda: 2)
    # killed, as the system kills what takes too much memory
    monkeypatch.setattr(scorer, "_start", lambda *arguments: os._exit(9))
    with pytest.raises(KronosQuantError, match="a process that scores dates ended early"):
        list(score_dates(tasks, len(tasks), made.weights.pair, made.recipe, "cpu"))


def test_few_dates_are_not_worth_a_process(bench, monkeypatch):
    made = bench()
    monkeypatch.setattr(scorer, "_cores", lambda: 64)
    monkeypatch.setattr(scorer, "ProcessPoolExecutor", None)
    tasks = tasks_of(made, 3)
    rows = list(score_dates(tasks, 3, made.weights.pair, made.recipe, "cpu"))
    assert [frame["date"][0] for frame in rows] == [task.on for task in tasks]


def constant_paths(value, last):
    """A forecaster that gives every future bar, and the decoded last one, fixed normalised values."""

    def paths(x, x_stamp, y_stamp, samples, **settings):
        shape = (len(x), samples, y_stamp.shape[1], 6)
        return Paths(np.full(shape, value, np.float32), np.full((len(x), 6), last, np.float32))

    return paths


@pytest.mark.parametrize("base", ["decoded", "actual"])
def test_returns_are_measured_from_the_base_asked_for(bench, monkeypatch, base):
    made = bench(base=base)
    [task] = tasks_of(made, 1)
    ready = scorer_of(made)
    monkeypatch.setattr(ready.forecaster, "paths", constant_paths(1.0, 0.5))
    rows = ready.score(task)
    mean, std = (part[:, 0, scorer.CLOSE] for part in (task.windows.scale.mean, task.windows.scale.std + 1e-5))
    expected_base = task.close if base == "actual" else mean + 0.5 * std
    assert rows["base"].to_numpy() == pytest.approx(expected_base)
    assert rows["last"].to_numpy() == pytest.approx((mean + std) / expected_base - 1)


def test_a_price_below_zero_is_raised_to_a_small_share_of_the_last_close(bench, monkeypatch):
    made = bench(base="actual")
    [task] = tasks_of(made, 1)
    ready = scorer_of(made)
    monkeypatch.setattr(ready.forecaster, "paths", constant_paths(-1e6, 0.0))
    assert ready.score(task)["last"].to_numpy() == pytest.approx(LEAST_PRICE_SHARE - 1)


def test_the_scores_are_those_of_the_paths_in_price_units(bench):
    made = bench(base="actual")
    [task] = tasks_of(made, 1)
    ready = scorer_of(made)
    kept = {}
    paths = ready.forecaster.paths

    def keep(*arguments, **settings):
        kept["paths"] = paths(*arguments, **settings)
        return kept["paths"]

    ready.forecaster.paths = keep
    rows = ready.score(task)
    scale = task.windows.scale
    closes = kept["paths"].paths[..., 3] * (scale.std[..., 3, None] + 1e-5) + scale.mean[..., 3, None]
    expected = score_paths(closes, task.close)
    assert rows.select(expected.columns).to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-9)


CHILD = """
import time
from threading import Thread
from kronos_quant.signals.scorer import leave_with_parent
Thread(target=leave_with_parent, daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""

PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}])
print(child.pid, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
def test_a_scoring_process_ends_when_its_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "ready\n"
    assert is_alive(child)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not is_alive(child)
