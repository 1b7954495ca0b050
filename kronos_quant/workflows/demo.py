"""`kq demo`: the full pipeline on a synthetic market, and the truth about what it found.

The market's pattern is known, so that the signal can be compared with an oracle: the forecast of somebody who sees the
hidden state.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from kronos_quant.backtest.result import BacktestRun
from kronos_quant.errors import ConfigError
from kronos_quant.evaluation.synthetic import HORIZON, DemoFinding, measure_edge
from kronos_quant.files import write_text
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.market import SyntheticMarket, SyntheticSpec, make_market, store_bars
from kronos_quant.market.database import DB_FOLDER
from kronos_quant.readers import read_text
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workflows.train import run_training
from kronos_quant.workspace import CONFIG_FILE, WorkspaceFolder, init_workspace, open_workspace_folder, schema_line

logger = logging.getLogger(__name__)

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
    return DemoSummary(measure_edge(workspace, made, strength), backtest)


def make_workspace(folder: Path, strength: float, seed: int) -> tuple[WorkspaceFolder, SyntheticMarket]:
    """A workspace with the demo's settings and a synthetic market; a `seed` makes both the market and the training.

    Bars of an earlier demo are replaced: those of another strength or seed must not stay among the new ones.
    Raises ConfigError where `folder` is a workspace of another kind: made bars would be mixed with its own.
    """
    config = folder / CONFIG_FILE
    if config.exists() and MARK not in read_text(config):
        raise ConfigError(f"{folder}: is already a workspace, but not one of kq demo", hint="kq demo another-folder")
    shutil.rmtree(folder / DB_FOLDER, ignore_errors=True)
    init_workspace(folder, CONFIG)
    write_text(folder / "signals" / "default.yaml", schema_line("recipe") + RECIPE)
    workspace = open_workspace_folder(folder, {"train.seed": seed})
    made = make_market(SyntheticSpec.model_validate({"strength": strength, "seed": seed}))
    report = store_bars(workspace.root, made.batch)
    logger.info("\n".join(report.lines()))
    return workspace, made
