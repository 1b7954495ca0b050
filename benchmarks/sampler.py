"""Windows per second of the loader against the published one.  `python benchmarks/sampler.py --upstream DIR`

DIR is a checkout of github.com/shiyu-coder/Kronos. Both loaders read the same made bars (300 symbols x 2,900 sessions,
windows of 101 bars, batches of 50) and leave tensors for the network, in one process on one thread, turn by turn; the
figure is windows per second of CPU time of that thread, and the ratio is the median of the rounds.
"""

import argparse
import pickle
import statistics
import sys
import tempfile
import time
import types
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import torch
from torch.utils.data import DataLoader

from kronos_quant import schema
from kronos_quant.training.batches.data import TrainingData, draw_cross_sections
from kronos_quant.training.batches.loader import BatchLoader, EpochPlan
from kronos_quant.training.processes import Ranks
from kronos_quant.windows import STAMP_COLUMNS, Splits, TimeRange, bar_table, build_index, gather_arrays

LOOKBACK, PREDICT, BATCH = 90, 11, 50
PUBLISHED_FEATURES = ("open", "high", "low", "close", "vol", "amt")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--upstream", type=Path, required=True)
parser.add_argument("--symbols", type=int, default=300)
parser.add_argument("--sessions", type=int, default=2_900)
parser.add_argument("--rounds", type=int, default=5)
arguments = parser.parse_args()
torch.set_num_threads(1)


def made_bars() -> pl.DataFrame:
    sessions = [date(2012, 1, 2) + timedelta(days=i) for i in range(arguments.sessions)]
    rng = np.random.default_rng(0)
    parts = []
    for number in range(arguments.symbols):
        close = 20 * np.exp(rng.normal(scale=0.02, size=len(sessions)).cumsum())
        volume = rng.lognormal(12, 0.5, len(sessions))
        columns = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": volume}
        parts.append(
            pl.DataFrame(
                {"symbol": [f"S{number:04d}"] * len(sessions), "date": sessions, "time": sessions, **columns}
            ).with_columns(amount=pl.col("close") * pl.col("volume"), factor=pl.lit(1.0))
        )
    return pl.concat(parts).select(pl.col(name).cast(kind) for name, kind in schema.BARS.items())


def published_loader(bars: pl.DataFrame, folder: Path) -> DataLoader:
    frames = {}
    for (symbol,), frame in bars.partition_by("symbol", as_dict=True).items():
        renamed = frame.rename({"time": "datetime", "volume": "vol", "amount": "amt"}).drop("symbol", "date", "factor")
        frames[symbol] = pd.DataFrame(renamed.to_dict(as_series=False)).set_index("datetime")
    (folder / "train_data.pkl").write_bytes(pickle.dumps(frames))

    config = types.SimpleNamespace(
        dataset_path=str(folder),
        seed=100,
        clip=5.0,
        lookback_window=LOOKBACK,
        predict_window=PREDICT - 1,
        feature_list=list(PUBLISHED_FEATURES),
        time_feature_list=list(STAMP_COLUMNS),
        n_train_iter=2_000 * BATCH,
    )
    sys.modules["config"] = types.SimpleNamespace(Config=lambda: config)
    sys.path.insert(0, str(arguments.upstream / "finetune"))
    from dataset import QlibDataset

    return DataLoader(QlibDataset("train"), batch_size=BATCH, shuffle=True, drop_last=True)


def rate(batches, count: int) -> float:
    """Windows a CPU second of `count` batches; the first is not timed."""
    next(batches)
    started, windows = time.thread_time(), 0
    for _ in range(count):
        windows += len(next(batches)[0])
    return windows / (time.thread_time() - started)


bars = made_bars()
table = bar_table(bars, bars["date"].unique().sort().to_list())
index = build_index(table, LOOKBACK, PREDICT, 10)
span = TimeRange(table.time.min(), table.time.max())
data = TrainingData(table, Splits(span, span, span), index, index, draw_cross_sections(table, index, 1, PREDICT), 5.0)
plan = EpochPlan(len(index), len(index), BATCH)
alone = Ranks(0, 1, torch.device("cpu"))


def ours_known():
    """The loop's own feed: statistics of every window computed once."""
    for _, batch in BatchLoader(data, plan, alone).epoch(1):
        yield batch.values, batch.stamp


def ours_computed():
    """The same, with the statistics computed for every batch."""
    for step in plan.steps_of(1):
        values, stamp, _ = gather_arrays(table, index, step[0], 5.0)
        yield torch.from_numpy(values), torch.from_numpy(stamp)


started = time.thread_time()
assert data.train_scale is not None
print(f"statistics of {len(index):,} windows: {time.thread_time() - started:.1f} s, once")
with tempfile.TemporaryDirectory() as made:
    published = published_loader(bars, Path(made))
    rounds = [
        (rate(iter(published), 40), rate(ours_computed(), 4_000), rate(ours_known(), 4_000))
        for _ in range(arguments.rounds)
    ]
print(f"published loader:           {statistics.median(r[0] for r in rounds):>9,.0f} windows a CPU second")
for name, column in (("statistics of each batch", 1), ("statistics known", 2)):
    figure = statistics.median(r[column] for r in rounds)
    ratio = statistics.median(r[column] / r[0] for r in rounds)
    print(f"ours, {name + ':':<26}{figure:>9,.0f} windows a CPU second, {ratio:,.0f} times")
