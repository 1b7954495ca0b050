"""Which loss forecasts better: which bars it counts, and which s1 an s2 learns from.

`python benchmarks/objectives.py [--seeds 3] [--bars sp500.parquet]`

Each variant trains a small Kronos from scratch, with equal seeds, on synthetic markets (as `kq demo` does: share of the
oracle captured, and the t of the rank IC on unseen dates) and, with --bars, on the bars of a table that `kq ingest
table` reads: mean absolute error of the median forecast of the return over that of forecasting no change (below 1 is
better than naive), pinball loss of its 5 and 95% quantiles over that of the past's own quantiles, and the rank IC.
"""

import argparse
import logging
import os
import statistics
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from kronos_quant.evaluation.synthetic import HORIZON, measure_edge
from kronos_quant.market import Market, ingest_table, workspace_market
from kronos_quant.signals import open_source
from kronos_quant.stats.correlation import rank_ic
from kronos_quant.stats.intervals import independent_interval
from kronos_quant.workflows.demo import make_workspace
from kronos_quant.workflows.train import run_training
from kronos_quant.workspace import init_workspace, open_workspace_folder

VARIANTS = {
    "future bars, true s1": {},
    "all bars, true s1": {"KQ_TRAIN__LOSS_REGION": "all"},
    "future bars, sampled s1": {"KQ_TRAIN__TEACHER_FORCING": "false"},
    "all bars, sampled s1": {"KQ_TRAIN__LOSS_REGION": "all", "KQ_TRAIN__TEACHER_FORCING": "false"},
}
REAL_CONFIG = """\
market: {exchange: XNYS}
model: {base: scratch, preset: nano}
train:
  lookback_window: 40
  predict_window: 10
  tokenizer_epochs: 5
  predictor_epochs: 6
  samples_per_epoch: 4800
"""
RECIPE = f"horizon: {HORIZON}\nsamples: 40\n"

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--bars", type=Path)
parser.add_argument("--symbols", type=int, default=120, help="of --bars, the first by name")
parser.add_argument("--dates", type=int, default=30, help="of the unseen ones, evenly spaced")
arguments = parser.parse_args()
logging.disable(logging.INFO)


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


def planted(seed: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        workspace, made = make_workspace(Path(folder), 0.2, seed)
        run_training(workspace, gpus=0)
        finding = measure_edge(workspace, made, 0.2)
    return finding.captured, finding.ic.t


def pinball(realised, quantile, level):
    away = realised - quantile
    return np.where(away >= 0, level * away, (level - 1) * away)


def real(seed: int, table: Path) -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        init_workspace(folder, REAL_CONFIG)
        (folder / "signals" / "default.yaml").write_text(RECIPE)
        ingest_table(folder, table)
        workspace = open_workspace_folder(folder, {"train.seed": seed})
        run_training(workspace, gpus=0)
        source = open_source(workspace, "default", workspace_market(workspace))
        sessions = source.market.sessions()
        unseen = [on for on in sessions[:-HORIZON] if on >= source.first_unseen()]
        dates = [unseen[i] for i in np.linspace(0, len(unseen) - 1, arguments.dates).round().astype(int)]
        past = forward_returns(source.market, [on for on in sessions if on < unseen[0]][:-HORIZON], HORIZON)
        low, high = past["forward_return"].quantile(0.05), past["forward_return"].quantile(0.95)
        scores = source.ensure(dates).frame
        grid = scores.join(forward_returns(source.market, dates, HORIZON), on=["date", "symbol"]).drop_nulls()
    realised = grid["forward_return"].to_numpy()
    error = np.abs(realised - grid["median"].to_numpy()).mean() / np.abs(realised).mean()
    ours = pinball(realised, grid["q05"].to_numpy(), 0.05) + pinball(realised, grid["q95"].to_numpy(), 0.95)
    naive = pinball(realised, low, 0.05) + pinball(realised, high, 0.95)
    wide = [
        grid.pivot(on="symbol", index="date", values=name).sort("date").drop("date")
        for name in ("last", "forward_return")
    ]
    signal, returns = (frame.select(pl.all().cast(pl.Float64).fill_null(float("nan"))).to_numpy() for frame in wide)
    return error, ours.mean() / naive.mean(), independent_interval(rank_ic(signal, returns)).mean


def some_symbols(table: Path, folder: Path) -> Path:
    bars = pl.read_parquet(table)
    column = next(name for name in ("symbol", "code", "Name", "name") if name in bars.columns)
    chosen = bars[column].unique().sort().head(arguments.symbols)
    bars.filter(pl.col(column).is_in(chosen.implode())).write_parquet(folder / "bars.parquet")
    return folder / "bars.parquet"


with tempfile.TemporaryDirectory() as kept:
    table = some_symbols(arguments.bars, Path(kept)) if arguments.bars else None
    for name, settings in VARIANTS.items():
        os.environ.update(settings)
        made = [planted(seed) for seed in range(arguments.seeds)]
        print(
            f"{name}: planted: captured {statistics.mean(share for share, _ in made):.3f} "
            f"({', '.join(f'{share:.2f}' for share, _ in made)}), mean t {statistics.mean(t for _, t in made):.1f}",
            flush=True,
        )
        if table is not None:
            found = [real(seed, table) for seed in range(arguments.seeds)]
            means = [f"{statistics.mean(column):.4f}" for column in zip(*found, strict=True)]
            print(f"{name}: real: MAE {means[0]}, pinball {means[1]} of naive, rank IC {means[2]}", flush=True)
        for variable in settings:
            del os.environ[variable]
