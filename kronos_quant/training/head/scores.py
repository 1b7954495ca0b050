"""The scores of a head on dates that no training has seen, as a table that `kq signal import` takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import torch

from kronos_quant.files import write_aside
from kronos_quant.training.head.contexts import last_contexts
from kronos_quant.training.head.network import RankHead

if TYPE_CHECKING:
    from kronos_quant.training.phases import Training

SCORES_FILE = "head_scores.parquet"


def write_scores(path: Path, training: Training, network: RankHead) -> None:
    """Write date, asof, symbol and score of every window that ends after the targets of training, to the newest."""
    index, table = training.data.unseen, training.data.table
    assert index is not None
    with torch.no_grad():
        scores = network(last_contexts(training, index)).double().numpy()
    rows = pl.DataFrame(
        {
            "date": table.date[index.anchor],
            "asof": table.time[index.anchor],
            "symbol": [table.symbols[i] for i in table.symbol_id[index.anchor].tolist()],
            "score": scores,
        }
    )
    if training.ranks.first:
        with write_aside(path) as partial:
            rows.sort("asof", "symbol").write_parquet(partial)
