"""Score the windows of one date, in this process or in several.

On a CPU, dates are spread over processes of one thread each: threads that share the cores of a busy machine wait for
each other (one call was seen to take 20 times as long). A date's numbers do not depend on who computes them.
Shapes: B windows, H horizon.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np
import polars as pl
import torch
from loky import ProcessPoolExecutor
from numpy.typing import NDArray

from kronos_quant import schema
from kronos_quant.errors import KronosQuantError
from kronos_quant.files import disk_errors
from kronos_quant.model import LEAST_PRICE_SHARE, Forecaster, Pair, load_pair, resolve_device, series_seed
from kronos_quant.signals.own_score import load_own_score
from kronos_quant.signals.recipe import Recipe, ResolvedRecipe
from kronos_quant.signals.scores import OWN, published_score, score_paths
from kronos_quant.windows import Windows, denormalise

CLOSE = schema.FEATURES.index("close")

WORTH_A_PROCESS = 4
"""Dates a process at least: its start takes about as long as a few dates."""


PARENT_CHECK_SECONDS = 1.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class DateTask:
    """What one date is scored from: its windows, their future stamps int16[B, H, 5], last closes and factors."""

    on: date
    windows: Windows
    future: NDArray[np.int16]
    close: NDArray[np.float64]  # [B], adjusted as the windows are
    factor: NDArray[np.float64]  # [B], raw price = price / factor


@dataclass(frozen=True, slots=True)
class Sampled:
    """Sample paths of the close of one date, in the units of its windows."""

    close: NDArray[np.float64]  # [B, S, H]
    base: NDArray[np.float64]  # [B], the last close that returns are measured from
    change: NDArray[np.float64]  # [B, S], last close of the path less the last one known, as z-scores of the window


class Scorer:
    """A model and a recipe, ready to score dates."""

    def __init__(self, pair: Pair, recipe: ResolvedRecipe, device: str) -> None:
        self.recipe = recipe.recipe
        self.forecaster = recipe_forecaster(pair, recipe.clip, recipe.recipe, device)
        self.own_score = load_own_score(recipe.own_score) if recipe.own_score else None

    def score(self, task: DateTask) -> pl.DataFrame:
        """The stored rows of a date: date, asof, symbol, raw close and base, the columns of `score_paths`, samples.

        And where the recipe asks for them: own, the user's own score; paths, the returns of every path, S x H.
        """
        sampled = sample_closes(self.forecaster, self.recipe, task.windows, task.future, task.close)
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
            count = count.with_columns(pl.Series(OWN, self.own_score(returns)))
        if self.recipe.paths:
            kind = pl.Array(pl.Float32, returns.shape[1:])
            count = count.with_columns(pl.Series("paths", returns.astype(np.float32), dtype=kind))
        return pl.concat([rows, *scores, count], how="horizontal")


def recipe_forecaster(pair: Pair, clip: float, recipe: Recipe, device: str) -> Forecaster:
    """The forecaster that samples as a recipe says."""
    settings = (recipe.dtype, recipe.context, recipe.nucleus)
    return Forecaster(pair.tokenizer, pair.predictor, pair.max_context, clip, device, *settings)


def sample_closes(
    forecaster: Forecaster,
    recipe: Recipe,
    windows: Windows,
    future: NDArray[np.int16],
    last_close: NDArray[np.float64],
) -> Sampled:
    """Sample the closes of some windows as a recipe says.

    future : int16[B, H, 5]; last_close : float64[B], in the units of the windows.
    """
    keys = zip(windows.symbol, windows.asof.tolist(), strict=True)
    forecast = forecaster.paths(
        windows.values,
        windows.stamp,
        future,
        samples=recipe.samples,
        temperature=recipe.temperature,
        top_k=recipe.top_k,
        top_p=recipe.top_p,
        seeds=np.array([series_seed(recipe.seed, symbol, asof) for symbol, asof in keys]),
    )
    floor = last_close * LEAST_PRICE_SHARE
    close = np.maximum(denormalise(forecast.paths, windows.scale)[..., CLOSE], floor[:, None, None])
    decoded = denormalise(forecast.last[:, None], windows.scale)[:, 0, CLOSE]
    base = last_close if recipe.base == "actual" else np.maximum(decoded, floor)
    change = forecast.paths[:, :, -1, CLOSE].astype(np.float64) - windows.values[:, -1, CLOSE][:, None]
    return Sampled(close, base, change)


def score_dates(
    tasks: Iterable[DateTask], count: int, pair: Pair, recipe: ResolvedRecipe, device: str
) -> Iterator[pl.DataFrame]:
    """The rows of each of `count` tasks, in their order, computed on a GPU or on all cores."""
    processes = min(_cores(), count // WORTH_A_PROCESS) if resolve_device(device).type == "cpu" else 1
    if processes < 2:
        scorer = Scorer(pair, recipe, device)
        yield from map(scorer.score, tasks)
        return
    # the networks travel by disk: a parent that hands a starting process more than a pipe holds waits for ever
    # when that process dies
    with TemporaryDirectory() as folder:
        _save(pair, Path(folder))
        start = (Path(folder), pair.max_context, recipe)
        # loky starts clean processes that do not run the caller's script again, as those of multiprocessing would
        pool = ProcessPoolExecutor(processes, initializer=_start, initargs=start, env=ONE_THREAD)
        try:
            yield from _in_order(pool, iter(tasks), waiting=2 * processes)
        except BrokenProcessPool as error:
            raise KronosQuantError(
                "a process that scores dates ended early (out of memory?)",
                hint="the dates that were finished are kept: run the same command again",
            ) from error
        finally:
            pool.shutdown(kill_workers=True)


def _save(pair: Pair, folder: Path) -> None:
    with disk_errors(folder):
        pair.tokenizer.save_pretrained(folder / "tokenizer")
        pair.predictor.save_pretrained(folder / "predictor")


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
"""Of a worker process, set once when it starts."""


def _start(folder: Path, max_context: int, recipe: ResolvedRecipe) -> None:
    global _scorer
    # Ctrl-C reaches the whole group of processes: the parent alone answers it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=leave_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _scorer = Scorer(replace(load_pair(folder), max_context=max_context), recipe, "cpu")


def leave_with_parent() -> None:
    """End this process when its parent is gone: a parent killed at once cannot tell it to."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)


def _score(task: DateTask) -> pl.DataFrame:
    assert _scorer is not None
    return _scorer.score(task)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
