"""Which windows which rank sees at which step, for whoever wants to check that each comes once."""

from __future__ import annotations

import polars as pl
import torch

from kronos_quant.arrays import IntArray
from kronos_quant.config import TrainConfig
from kronos_quant.training.batches.data import TrainingData, epoch_plan
from kronos_quant.training.batches.feed import Feed
from kronos_quant.training.processes import Ranks


def list_windows(
    data: TrainingData, config: TrainConfig, *, ranks: int = 1, workers: int = 0, epoch: int = 1
) -> pl.DataFrame:
    """The windows that the loader of each of `ranks` ranks yields: split, rank, step, window, symbol, asof.

    config : with no null left in batch_size and samples_per_epoch (`fill_presets`). workers : threads a rank. One row a
    window that counts, in the order of rank and step; it is what the loop itself is fed with. `asof` is the last bar of
    the lookback; the steps of validation are a rank's batches.
    """
    found: list[tuple[str, int, int, IntArray]] = []
    plan = epoch_plan(data, config)
    for rank in range(ranks):
        feed = Feed(data, plan, Ranks(rank, ranks, torch.device("cpu")), augmented=config.augment, workers=workers)
        found += [("train", rank, item.step, item.windows[: item.drawn]) for item, _ in feed.epoch(epoch)]
        found += [("val", rank, step, windows) for step, (windows, _) in enumerate(feed.validation())]
    parts = [_rows(data, *part) for part in found]
    return pl.concat(parts)


def _rows(data: TrainingData, split: str, rank: int, step: int, windows: IntArray) -> pl.DataFrame:
    anchor = (data.train if split == "train" else data.val).anchor[windows]
    table = data.table
    return pl.DataFrame(
        {
            "split": [split] * len(windows),
            "rank": [rank] * len(windows),
            "step": [step] * len(windows),
            "window": windows,
            "symbol": [table.symbols[i] for i in table.symbol_id[anchor].tolist()],
            "asof": table.time[anchor],
        },
        schema_overrides={"rank": pl.Int64, "step": pl.Int64, "split": pl.String, "symbol": pl.String},
    )
