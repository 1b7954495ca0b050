"""`kq demo`: the full pipeline on a synthetic market, and the truth about what it found.

The market's pattern is known, so that the signal can be compared with an oracle: the forecast of somebody who sees the
hidden state.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kronos_quant.errors import ConfigError
from kronos_quant.files import write_text
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.market import SyntheticMarket, SyntheticSpec, make_market, store_bars, workspace_market
from kronos_quant.market.database import DB_FOLDER
from kronos_quant.panel.matrix import forward_returns, to_matrix
from kronos_quant.signals import open_source
from kronos_quant.stats.correlation import rank_ic
from kronos_quant.stats.intervals import MeanInterval, independent_interval
from kronos_quant.workflows.backtest import BacktestRun, run_backtest
from kronos_quant.workflows.train import run_training
from kronos_quant.workspace import CONFIG_FILE, WorkspaceFolder, init_workspace, open_workspace_folder, schema_line

logger = logging.getLogger(__name__)

HORIZON = 5
EDGE_T = 2.0
"""A signal is called found when its mean rank IC is more than this many standard errors above 0."""

MARK = "# The workspace of `kq demo`:"
"""What tells its kq.yaml from another."""
CONFIG = f"""\
# yaml-language-server: $schema=.kq/schemas/kq.json
{MARK} a synthetic market and a small Kronos trained from scratch. Change things and run the
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
class DemoFinding:
    """The signal's rank IC on unseen dates, that of an oracle who knows the hidden state, and the share captured.

    captured : mean rank correlation of the signal with the oracle; NaN for a market made without a pattern.
    """

    strength: float
    ic: MeanInterval
    oracle: MeanInterval
    captured: float

    @property
    def found(self) -> bool:
        """Whether the rank IC is significantly positive."""
        return bool(self.ic.t > EDGE_T)

    def lines(self) -> list[str]:
        """The finding in words."""
        verdict = (
            f"EDGE: rank IC on unseen dates is significantly positive (t = {self.ic.t:.1f})."
            if self.found
            else f"NO EDGE: rank IC is not significantly different from 0 (t = {self.ic.t:.1f}, threshold {EDGE_T:g})."
        )
        lines = [verdict, f"rank IC of the signal, {HORIZON}-session horizon, unseen dates: {estimate(self.ic)}"]
        if self.strength == 0:
            return [*lines, "The market has no pattern (--strength 0), so there is no edge to find."]
        return [
            *lines,
            f"rank IC of an oracle that knows the hidden state:     {estimate(self.oracle)}",
            f"rank correlation of the signal with the oracle: {self.captured:.2f}",
        ]


def estimate(found: MeanInterval) -> str:
    """A mean with its standard error as text."""
    return f"{found.mean:+.3f} ± {found.std_error:.3f} (t = {found.t:.1f}, {found.dates} dates)"


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What the demo found, and the back-test that it ran."""

    finding: DemoFinding
    backtest: BacktestRun

    def lines(self) -> list[str]:
        """The outcome in words."""
        metrics = self.backtest.metrics
        return [
            *self.finding.lines(),
            f"Top-K after costs: {metrics['annual_return']:+.1%} per year, Sharpe {metrics['sharpe_ratio']:.2f}",
            f"tearsheet: {self.backtest.tearsheet}",
        ]


def run_demo(folder: PathLike = "kq-demo", strength: float = 0.2, seed: int = 0) -> DemoSummary:
    """Make a market in `folder`, train, score unseen dates, back-test, and measure the edge.

    Parameters
    ----------
    folder : of the workspace
    strength : of the hidden pattern, 0 (none) to 1
    seed : of the market and of the training
    """
    folder = as_path(folder, "folder")
    workspace, made = make_workspace(folder, strength, seed)
    training = run_training(workspace, gpus=None)
    logger.info("\n".join(training.lines()))
    backtest = run_backtest(workspace)
    return DemoSummary(measure(workspace, made, strength), backtest)


def make_workspace(folder: Path, strength: float, seed: int) -> tuple[WorkspaceFolder, SyntheticMarket]:
    """A workspace with the demo's settings and a synthetic market; a `seed` makes both the market and the training.

    Bars of an earlier demo are replaced: those of another strength or seed must not stay among the new ones.
    Raises ConfigError where `folder` is a workspace of another kind: made bars would be mixed with its own.
    """
    config = folder / CONFIG_FILE
    if config.exists() and MARK not in config.read_text(encoding="utf-8"):
        raise ConfigError(f"{folder}: is already a workspace, but not one of kq demo", hint="kq demo another-folder")
    shutil.rmtree(folder / DB_FOLDER, ignore_errors=True)
    init_workspace(folder, CONFIG)
    write_text(folder / "signals" / "default.yaml", schema_line("recipe") + RECIPE)
    workspace = open_workspace_folder(folder, {"train.seed": seed})
    made = make_market(SyntheticSpec.model_validate({"strength": strength, "seed": seed}))
    report = store_bars(workspace.root, made.batch)
    logger.info("\n".join(report.lines()))
    return workspace, made


def measure(workspace: WorkspaceFolder, made: SyntheticMarket, strength: float) -> DemoFinding:
    """Compare the signal with the returns that followed and with the oracle, on dates that do not overlap.

    Signals of these dates that are missing are computed.
    """
    source = open_source(workspace, "default", workspace_market(workspace))
    sessions = source.market.sessions()
    first = next(i for i, on in enumerate(sessions) if on >= source.first_unseen())
    rows = np.arange(first, len(sessions) - HORIZON, HORIZON)
    dates = [sessions[row] for row in rows]
    scores = source.ensure(dates).frame
    symbols = scores["symbol"].unique().sort().to_list()
    bars = source.market.select_bars(symbols)
    signal, known = to_matrix(scores, "last", dates, symbols), to_matrix(made.oracle(HORIZON), "oracle", dates, symbols)
    realised = forward_returns(to_matrix(bars, "close", sessions, symbols), rows, HORIZON)
    scored = np.isfinite(signal)
    realised, known = (np.where(scored, values, np.nan) for values in (realised, known))
    return DemoFinding(
        strength=strength,
        ic=independent_interval(rank_ic(signal, realised)),
        oracle=independent_interval(rank_ic(known, realised)),
        captured=independent_interval(rank_ic(signal, known)).mean,
    )
