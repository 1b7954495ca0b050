"""`kq demo`: the whole path on a made market, and the truth about what it found.

The made market's pattern is known, so that the signal can be set beside an oracle: what somebody who sees the hidden
state would have forecast.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.errors import ConfigError
from kronos_quant.files import write_text
from kronos_quant.market import (
    Market,
    SyntheticMarket,
    SyntheticSpec,
    make_market,
    store_bars,
    workspace_market,
)
from kronos_quant.market.database import DB_FOLDER
from kronos_quant.signals import open_source
from kronos_quant.stats.correlation import rank_ic
from kronos_quant.stats.intervals import MeanInterval, independent_interval
from kronos_quant.workflows.backtest import BacktestRun, run_backtest
from kronos_quant.workflows.train import run_training
from kronos_quant.workspace import CONFIG_FILE, WorkspaceFolder, init_workspace, open_workspace_folder

logger = logging.getLogger(__name__)

HORIZON = 5
EDGE_T = 2.0
"""A signal is called found when its mean rank IC is more than this many standard errors above 0."""

CONFIG = f"""\
# The workspace of `kq demo`: a made market and a small Kronos trained from scratch. Change things and run the
# commands of the README in this folder.
market:
  exchange: XNYS
model:
  base: scratch
  preset: nano
train:
  lookback_window: 24
  predict_window: 24
  train_ratio: 0.75
  val_ratio: 0.1
  weight_decay: 0.05
  tokenizer_epochs: 5
  predictor_epochs: 5
  samples_per_epoch: 3200
  batch_size: 32
  decoded_windows: 160
  decoded_horizon: {HORIZON}
"""

RECIPE = f"""\
model: latest
horizon: {HORIZON}
samples: 40
score: last
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """The signal's rank IC on unseen dates, that of an oracle who knows the hidden state, and the share captured.

    captured : mean rank correlation of the signal with the oracle; NaN for a market made without a pattern.
    """

    strength: float
    ic: MeanInterval
    oracle: MeanInterval
    captured: float

    @property
    def found(self) -> bool:
        """Whether the signal is told from nothing."""
        return bool(self.ic.t > EDGE_T)

    def lines(self) -> list[str]:
        """The finding in words."""
        if self.found:
            verdict = "FOUND: the signal ranks unseen returns better than chance."
        else:
            verdict = f"NOTHING FOUND: the rank IC is not told from 0 (t {self.ic.t:.1f}, not above {EDGE_T:g})."
        told = [verdict, f"rank IC of the signal, {HORIZON} sessions ahead, unseen dates: {estimate(self.ic)}"]
        if self.strength == 0:
            return [*told, "the market was made without a pattern (--strength 0): there was nothing to find"]
        return [
            *told,
            f"rank IC of an oracle that knows the hidden state:      {estimate(self.oracle)}",
            f"share of the oracle's signal captured (rank correlation with it): {self.captured:.2f}",
        ]


def estimate(found: MeanInterval) -> str:
    """A mean with its standard error as text."""
    return f"{found.mean:+.3f} ± {found.std_error:.3f} (t {found.t:.1f}, {found.dates} dates)"


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What the demo found, and the back-test that it ran."""

    finding: Finding
    backtest: BacktestRun

    def lines(self) -> list[str]:
        """The outcome in words."""
        metrics = self.backtest.metrics
        return [
            *self.finding.lines(),
            f"Top-K after costs: {metrics['annual_return']:+.1%} a year, Sharpe {metrics['sharpe_ratio']:.2f}",
            f"tearsheet: {self.backtest.tearsheet}",
        ]


def run_demo(folder: Path, strength: float, seed: int = 0) -> DemoSummary:
    """Make a market in `folder`, train, score unseen dates, back-test, and measure what was found."""
    workspace, made = make_workspace(folder, strength, seed)
    training = run_training(workspace, gpus=None)
    logger.info("\n".join(training.lines()))
    backtest = run_backtest(workspace)
    return DemoSummary(measure(workspace, made, strength), backtest)


def make_workspace(folder: Path, strength: float, seed: int) -> tuple[WorkspaceFolder, SyntheticMarket]:
    """A workspace with the demo's settings and a made market; a `seed` makes both the market and the training.

    Bars of an earlier demo are replaced: those of another strength or seed must not stay among the new ones.
    Raises ConfigError where `folder` is a workspace of another kind: made bars would be mixed with its own.
    """
    config = folder / CONFIG_FILE
    if config.exists() and not config.read_text(encoding="utf-8").startswith(CONFIG.splitlines()[0]):
        raise ConfigError(f"{folder}: is a workspace already, and not one of kq demo", hint="kq demo another-folder")
    shutil.rmtree(folder / DB_FOLDER, ignore_errors=True)
    init_workspace(folder, CONFIG)
    write_text(folder / "signals" / "default.yaml", RECIPE)
    workspace = open_workspace_folder(folder, {"train.seed": seed})
    made = make_market(SyntheticSpec.model_validate({"strength": strength, "seed": seed}))
    report = store_bars(workspace.root, made.batch)
    logger.info("\n".join(report.lines()))
    return workspace, made


def measure(workspace: WorkspaceFolder, made: SyntheticMarket, strength: float) -> Finding:
    """Set the signal beside the returns that followed and beside the oracle, on dates that do not overlap.

    Signals of these dates that are missing are computed.
    """
    source = open_source(workspace, "default", workspace_market(workspace))
    sessions = source.market.sessions()
    first = next(i for i, on in enumerate(sessions) if on >= source.first_unseen())
    dates = sessions[first:-HORIZON:HORIZON]
    scores = source.ensure(dates).frame
    keys = ["date", "symbol"]
    grid = (
        scores.select(*keys, "last")
        .join(forward_returns(source.market, dates, HORIZON), on=keys, how="left")
        .join(made.oracle(HORIZON), on=keys, how="left")
    )
    signal, realised, known = (_matrix(grid, column) for column in ("last", "forward_return", "oracle"))
    return Finding(
        strength=strength,
        ic=independent_interval(rank_ic(signal, realised)),
        oracle=independent_interval(rank_ic(known, realised)),
        captured=independent_interval(rank_ic(signal, known)).mean,
    )


def forward_returns(market: Market, dates: list[date], horizon: int) -> pl.DataFrame:
    """(date, symbol, forward_return): close `horizon` sessions later over the close of the date, where both exist."""
    sessions = market.sessions()
    position = {on: i for i, on in enumerate(sessions)}
    later = {on: sessions[position[on] + horizon] for on in dates if position[on] + horizon < len(sessions)}
    close = market.bars(start=dates[0]).select("date", "symbol", "close")
    pairs = pl.DataFrame({"date": list(later), "later": list(later.values())})
    return (
        pairs.join(close, on="date")
        .join(close.rename({"date": "later", "close": "later_close"}), on=["later", "symbol"])
        .select(
            "date", "symbol", (pl.col("later_close") / pl.col("close") - 1).cast(pl.Float64).alias("forward_return")
        )
    )


def _matrix(grid: pl.DataFrame, column: str) -> NDArray[np.float64]:
    """float64[T, N] of a long frame, NaN where there is no value."""
    wide = grid.pivot(on="symbol", index="date", values=column).sort("date").drop("date")
    return wide.select(pl.all().cast(pl.Float64).fill_null(float("nan"))).to_numpy()
