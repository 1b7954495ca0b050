import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from made import HANG_SECONDS

from kronos_quant import ConfigError, KronosQuantError, children
from kronos_quant.model import SamplePaths
from kronos_quant.signals import scorer
from kronos_quant.signals.generate import _task
from kronos_quant.signals.scorer import (
    LEAST_PRICE_SHARE,
    Scorer,
    claim_device,
    process_bytes,
    score_dates,
    score_devices,
)
from kronos_quant.signals.scores import score_paths

COLUMNS = [
    "date", "asof", "symbol", "close", "base", "mean", "last", "max", "min", "median", "p_rise",
    "q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975", "spread", "shortfall", "mean_over_spread",
    "std_error", "mean_error", "max_error", "min_error", "median_error", "p_rise_error", "mean_over_spread_error",
    "path_q05", "path_q50", "path_q95", "published", "published_error", "samples",
]  # fmt: skip


def tasks_of(made, count):
    plan = made.plan(made.market.sessions()[-count:])
    return [_task(plan.table, work, part, made.recipe.clip) for work in plan.missing for part in work.parts]


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
        only = index.where(np.arange(len(index)) == keep)
        alone = scorer_of(made).score(_task(plan.table, plan.missing[0], only, made.recipe.clip))
        assert alone.equals(rows[keep : keep + 1])


def test_a_users_score_sees_one_moment_at_a_time(intraday):
    made = intraday(asof={"times": ["11:30", "15:00"]})
    plan = made.plan(made.market.sessions()[20:21])  # on that afternoon one symbol did not trade
    [task] = [_task(plan.table, work, part, made.recipe.clip) for work in plan.missing for part in work.parts]
    found = scorer_of(made)._own(lambda returns: np.full(len(returns), len(returns)), task, np.zeros((7, 2, 3)))
    assert found.tolist() == [4, 4, 4, 4, 3, 3, 3]


def score_on(made, tasks, *devices):
    return list(score_dates(tasks, len(tasks), made.weights.pair, made.recipe, devices))


@pytest.mark.slow
def test_one_process_and_several_give_identical_rows(bench):
    made = bench(samples=2, horizon=1)
    tasks = tasks_of(made, 8)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = score_on(made, tasks, "cpu")
    finally:
        torch.set_num_threads(threads)
    together = score_on(made, tasks, "cpu", "cpu")
    assert [rows["date"][0] for rows in together] == [task.on for task in tasks]
    assert all(one.equals(other) for one, other in zip(alone, together, strict=True))


def test_a_process_that_dies_while_it_starts_is_one_clear_error(bench, monkeypatch):
    made = bench()
    # killed, as the system kills what takes too much memory; before it has imported anything
    pool = scorer.process_pool
    monkeypatch.setattr(scorer, "process_pool", lambda count, *_: pool(count, os._exit, (9,)))
    with pytest.raises(KronosQuantError, match="a worker process ended unexpectedly"):
        score_on(made, tasks_of(made, 8), "cpu", "cpu")


def test_few_dates_are_not_worth_a_process(bench, monkeypatch):
    made = bench()
    monkeypatch.setattr(scorer, "process_pool", None)
    tasks = tasks_of(made, 3)
    assert [frame["date"][0] for frame in score_on(made, tasks, *["cpu"] * 64)] == [task.on for task in tasks]


def test_processes_that_memory_has_no_room_for_are_not_started(bench, monkeypatch):
    made = bench()
    one = process_bytes(scorer_of(made), made.weights.pair, made.recipe)
    monkeypatch.setattr(scorer, "process_pool", None)
    monkeypatch.setattr(scorer, "virtual_memory", lambda: SimpleNamespace(available=2 * one - 1))
    tasks = tasks_of(made, 8)
    assert [frame["date"][0] for frame in score_on(made, tasks, "cpu", "cpu")] == [task.on for task in tasks]
    monkeypatch.setattr(scorer, "virtual_memory", lambda: SimpleNamespace(available=2 * one))
    with pytest.raises(TypeError):  # the pool is asked for
        score_on(made, tasks, "cpu", "cpu")


def test_each_process_has_a_device_of_its_own_and_one_in_its_place_takes_it_over(tmp_path):
    devices = ("cuda:0", "cuda:1", "cuda:2")
    claims = [claim_device(tmp_path, devices) for _ in devices]
    assert [device for device, _ in claims] == [*devices]
    with pytest.raises(AssertionError, match="more processes than devices: cuda:0, cuda:1, cuda:2"):
        claim_device(tmp_path, devices)
    claims[1][1].release()
    assert claim_device(tmp_path, devices)[0] == "cuda:1"


def with_gpus(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(scorer, "cores", lambda: 2)


@pytest.mark.parametrize(
    ("there", "device", "gpus", "expected"),
    [
        (0, "auto", None, ("cpu", "cpu")),
        (3, "auto", None, ("cuda:0", "cuda:1", "cuda:2")),
        (3, "auto", 2, ("cuda:0", "cuda:1")),
        (3, "auto", 0, ("cpu", "cpu")),
        (3, "cuda:2", None, ("cuda:2",)),
        (3, "cpu", None, ("cpu", "cpu")),
    ],
)
def test_dates_are_spread_over_the_gpus_there_are_or_those_asked_for(monkeypatch, there, device, gpus, expected):
    with_gpus(monkeypatch, there)
    assert score_devices(device, gpus) == expected


def test_gpus_that_are_not_there_and_a_device_beside_them_are_refused(monkeypatch):
    with_gpus(monkeypatch, 1)
    with pytest.raises(ConfigError, match="--gpus 4: this machine has 1 GPU") as caught:
        score_devices("auto", 4)
    assert caught.value.hint == "kq signal --gpus 1"
    with pytest.raises(ConfigError, match="--gpus 1: not together with --device cuda:0"):
        score_devices("cuda:0", 1)
    with pytest.raises(ConfigError, match="device: cuda:7 not found"):
        score_devices("cuda:7")


def constant_paths(value, last):
    """A sampler that gives every future bar, and the decoded last one, fixed normalised values."""

    def paths(x, x_stamp, y_stamp, samples, **settings):
        shape = (len(x), samples, y_stamp.shape[1], 6)
        return SamplePaths(np.full(shape, value, np.float32), np.full((len(x), 6), last, np.float32))

    return paths


@pytest.mark.parametrize("base", ["decoded", "actual"])
def test_returns_are_measured_from_the_base_asked_for(bench, monkeypatch, base):
    made = bench(base=base)
    [task] = tasks_of(made, 1)
    ready = scorer_of(made)
    monkeypatch.setattr(ready.sampler, "sample", constant_paths(1.0, 0.5))
    rows = ready.score(task)
    mean, std = (part[:, 0, scorer.CLOSE] for part in (task.windows.scale.mean, task.windows.scale.std + 1e-5))
    expected_base = task.close if base == "actual" else mean + 0.5 * std
    assert rows["base"].to_numpy() == pytest.approx(expected_base)
    assert rows["last"].to_numpy() == pytest.approx((mean + std) / expected_base - 1)


def test_a_price_below_zero_is_raised_to_a_small_share_of_the_last_close(bench, monkeypatch):
    made = bench(base="actual")
    [task] = tasks_of(made, 1)
    ready = scorer_of(made)
    monkeypatch.setattr(ready.sampler, "sample", constant_paths(-1e6, 0.0))
    assert ready.score(task)["last"].to_numpy() == pytest.approx(LEAST_PRICE_SHARE - 1)


def test_the_scores_are_those_of_the_paths_in_price_units(bench):
    made = bench(base="actual")
    [task] = tasks_of(made, 1)
    ready = scorer_of(made)
    kept = {}
    paths = ready.sampler.sample

    def keep(*arguments, **settings):
        kept["paths"] = paths(*arguments, **settings)
        return kept["paths"]

    ready.sampler.sample = keep
    rows = ready.score(task)
    scale = task.windows.scale
    closes = kept["paths"].paths[..., 3] * (scale.std[..., 3, None] + 1e-5) + scale.mean[..., 3, None]
    expected = score_paths(closes, task.close)
    for name in expected.columns:
        assert rows[name].to_numpy() == pytest.approx(expected[name].to_numpy(), abs=1e-9)


CHILD = """
import sys, time
from kronos_quant.children import end_with_parent
end_with_parent(int(sys.argv[1]))
print("ready", flush=True)
time.sleep(600)
"""

PARENT = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}, str(os.getpid())])
print(child.pid, flush=True)
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_process_whose_parent_was_gone_before_it_could_look_ends(monkeypatch):
    ended, codes = threading.Event(), []
    monkeypatch.setattr(children, "end_at_parents_death", lambda: None)  # the process of the tests shall live
    monkeypatch.setattr(children, "PARENT_CHECK_SECONDS", 0.01)
    monkeypatch.setattr(children.os, "_exit", lambda code: (codes.append(code), ended.set()))
    children.end_with_parent(os.getppid())
    assert not ended.wait(0.1)
    monkeypatch.setattr(children.os, "getppid", lambda: 1)  # the parent ended, the system's first process took over
    assert ended.wait(HANG_SECONDS)
    ended.clear()
    children.end_with_parent(2)
    assert ended.wait(HANG_SECONDS)
    assert codes == [1, 1]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
def test_a_scoring_process_ends_when_its_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "ready\n"
    assert is_alive(child)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + HANG_SECONDS
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not is_alive(child)
