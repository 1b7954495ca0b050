"""Score the windows of one date, in this process or in several.

Dates are spread over processes, one a device. On a CPU each core is one: threads that share the cores of a busy machine
wait for each other (one call was seen to take 20 times as long). A date's numbers do not depend on who computes them.
Shapes: B windows, H horizon.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from psutil import virtual_memory

from kronos_quant import schema
from kronos_quant.arrays import FloatArray
from kronos_quant.bounds import MOST_GPUS
from kronos_quant.children import cores, process_pool
from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.files import temporary_folder
from kronos_quant.inputs import as_count
from kronos_quant.model import LEAST_PRICE_SHARE, Pair, PathSampler, Sampling, load_pair, resolve_device, series_seed
from kronos_quant.signals.recipe import ComputedRecipe, Recipe
from kronos_quant.signals.scores import OWN, load_own_score, published_score, score_paths
from kronos_quant.training import place
from kronos_quant.windows import Windows, denormalise

CLOSE = schema.FEATURES.index("close")

WORTH_A_PROCESS = 4
"""Dates a process at least: its start takes about as long as a few dates."""

PROCESS_BYTES = 2**29
"""Of a process that has imported what it needs."""


@dataclass(frozen=True, slots=True)
class DateTask:
    """What a date, or some moments of it, are scored from: windows, their future stamps, last closes and factors."""

    on: date
    windows: Windows
    future: NDArray[np.int16]  # [B, H, 5]
    close: FloatArray  # [B], adjusted as the windows are
    factor: FloatArray  # [B], raw price = price / factor


@dataclass(frozen=True, slots=True)
class Sampled:
    """Sample paths of the close of one date, in the units of its windows."""

    close: FloatArray  # [B, S, H]
    base: FloatArray  # [B], the last close that returns are measured from
    change: FloatArray  # [B, S], last close of the path less the last one known, as z-scores of the window


class Scorer:
    """A model and a recipe, ready to score dates."""

    def __init__(self, pair: Pair, recipe: ComputedRecipe, device: str) -> None:
        self.recipe = recipe.recipe
        settings = (pair.max_context, recipe.clip, device, self.recipe.dtype, self.recipe.context)
        self.sampler = PathSampler(pair.tokenizer, pair.predictor, *settings)
        self.own_score = load_own_score(recipe.own_score) if recipe.own_score else None

    def score(self, task: DateTask) -> pl.DataFrame:
        """The stored rows of a task: date, asof, symbol, raw close and base, the columns of `score_paths`, samples.

        And where the recipe asks for them: own, the user's own score; paths, the returns of every path, S x H.
        """
        sampled = sample_closes(self.sampler, self.recipe, task.windows, task.future, task.close)
        rows = pl.DataFrame(
            {
                "asof": task.windows.asof,
                "symbol": task.windows.symbol,
                "close": task.close / task.factor,
                "base": sampled.base / task.factor,
            },
            schema_overrides={"asof": pl.Datetime("us")},
        ).select(pl.lit(task.on).alias("date"), pl.all())
        scores = [score_paths(sampled.close, sampled.base), published_score(sampled.change)]
        count = pl.DataFrame({"samples": pl.Series([self.recipe.samples] * rows.height, dtype=pl.Int32)})
        returns = sampled.close / sampled.base[:, None, None] - 1
        if self.own_score is not None:
            count = count.with_columns(pl.Series(OWN, self._own(self.own_score, task, returns)))
        if self.recipe.paths:
            kind = pl.Array(pl.Float32, returns.shape[1:])
            count = count.with_columns(pl.Series("paths", returns.astype(np.float32), dtype=kind))
        return pl.concat([rows, *scores, count], how="horizontal")

    def _own(self, score: Callable[[FloatArray], FloatArray], task: DateTask, returns: FloatArray) -> FloatArray:
        """The user's score of float64[B, S, H], moment by moment: it may look across the symbols."""
        if self.recipe.asof.at_close:
            return score(returns)
        starts = np.unique(task.windows.asof, return_index=True)[1]
        return np.concatenate([score(part) for part in np.split(returns, starts[1:])])


def recipe_sampling(recipe: Recipe) -> Sampling:
    """How a recipe has tokens chosen."""
    return Sampling(recipe.temperature, recipe.top_k, recipe.top_p, recipe.nucleus)


def sample_closes(
    sampler: PathSampler, recipe: Recipe, windows: Windows, future: NDArray[np.int16], last_close: FloatArray
) -> Sampled:
    """Sample the closes of some windows as a recipe says.

    future : int16[B, H, 5]; last_close : float64[B], in the units of the windows.
    """
    keys = zip(windows.symbol, windows.asof.tolist(), strict=True)
    forecast = sampler.sample(
        windows.values,
        windows.stamp,
        future,
        samples=recipe.samples,
        sampling=recipe_sampling(recipe),
        seeds=np.array([series_seed(recipe.seed, symbol, asof) for symbol, asof in keys]),
    )
    floor = last_close * LEAST_PRICE_SHARE
    close = np.maximum(denormalise(forecast.paths, windows.scale)[..., CLOSE], floor[:, None, None])
    decoded = denormalise(forecast.last[:, None], windows.scale)[:, 0, CLOSE]
    base = last_close if recipe.return_base == "actual" else np.maximum(decoded, floor)
    change = forecast.paths[:, :, -1, CLOSE].astype(np.float64) - windows.values[:, -1, CLOSE][:, None]
    return Sampled(close, base, change)


def score_devices(device: str = "auto", gpus: int | None = None) -> tuple[str, ...]:
    """The devices that dates may be spread over, a process each: GPUs, or the CPU once a core.

    device : auto (all GPUs there are, else the CPU) or the one to use. gpus : how many of them, 0 is the CPU.
    Raises ConfigError when there are fewer, and for a device that is not there.
    """
    gpus = None if gpus is None else as_count(gpus, "gpus", 0, MOST_GPUS)
    if gpus is not None and device != "auto":
        raise ConfigError(f"--gpus {gpus}: not together with --device {device}", hint="give one of them")
    if gpus is None and device != "auto":
        return (device,) if resolve_device(device).type != "cpu" else ("cpu",) * cores()
    placed = place(gpus, "kq signal")
    # what is computed on one of Apple's processors is not what a CPU gives: it has to be asked for by name
    return tuple(f"cuda:{i}" for i in range(placed.processes)) if placed.device == "cuda" else ("cpu",) * cores()


def score_dates(
    tasks: Iterable[DateTask], count: int, pair: Pair, recipe: ComputedRecipe, devices: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """The rows of each of `count` tasks, in their order; devices : see `score_devices`."""
    scorer = Scorer(pair, recipe, devices[0])
    processes = min(len(devices), count // WORTH_A_PROCESS)
    if devices[0] == "cpu":
        processes = min(processes, virtual_memory().available // process_bytes(scorer, pair, recipe))
    if processes < 2:
        yield from map(scorer.score, tasks)
        return
    del scorer
    # the networks travel by disk: a parent that hands a starting process more than a pipe holds waits for ever
    # when that process dies
    with temporary_folder("weights") as folder:
        pair.tokenizer.save_pretrained(folder / "tokenizer")
        pair.predictor.save_pretrained(folder / "predictor")
        start = (folder, pair.max_context, recipe, tuple(devices[:processes]))
        with process_pool(processes, _start, start) as pool:
            try:
                yield from _in_order(pool, iter(tasks), waiting=2 * processes)
            except BrokenProcessPool as error:
                raise KronosQuantError(
                    "a worker process ended unexpectedly (out of memory?)",
                    hint="Finished dates are stored: run the same command again.",
                ) from error


def process_bytes(scorer: Scorer, pair: Pair, recipe: ComputedRecipe) -> int:
    """About the memory of a process that scores: its weights as read and as laid out, and one chunk."""
    weights = sum(part.nbytes for network in (pair.tokenizer, pair.predictor) for part in network.parameters())
    chunk = scorer.sampler.chunk_bytes(recipe.lookback, recipe.horizon, recipe.recipe.samples)
    return PROCESS_BYTES + 3 * weights + chunk


def _in_order(pool: Executor, tasks: Iterator[DateTask], waiting: int) -> Iterator[pl.DataFrame]:
    """Results in the order of the tasks, with at most `waiting` tasks in memory."""
    pending: deque[Future[pl.DataFrame]] = deque()
    for task in tasks:
        pending.append(pool.submit(_score, task))
        if len(pending) >= waiting:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


_scorer: Scorer | None = None
_claim: FileLock | None = None
"""Of a worker process, set once when it starts; the claim on its device lasts as long as it does."""


def _start(folder: Path, max_context: int, recipe: ComputedRecipe, devices: tuple[str, ...]) -> None:
    global _scorer, _claim
    torch.set_num_threads(1)
    device, _claim = claim_device(folder, devices)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    _scorer = Scorer(replace(load_pair(folder), max_context=max_context), recipe, device)


def claim_device(folder: Path, devices: Sequence[str]) -> tuple[str, FileLock]:
    """The first of the devices that no other process holds, and the lock in `folder` that holds it.

    The system lets go of a lock when its process ends, so that one started in the place of another finds its device.
    """
    for number, device in enumerate(devices):
        lock = FileLock(folder / f"{number}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return device, lock
    raise AssertionError(f"more processes than devices: {', '.join(devices)}")


def _score(task: DateTask) -> pl.DataFrame:
    assert _scorer is not None
    return _scorer.score(task)
