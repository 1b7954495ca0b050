"""Two sets of signals side by side: how alike they rank each date, and where they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from kronos_quant.errors import DataError

LEAST_SYMBOLS = 3
"""Fewer have no rank correlation worth the name."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two sets of signals rank.

    by_date : date, symbols (in both), only_first, only_second, rank_correlation (NaN where one side is all ties).
    differences : date, symbol, first, second (scores), first_rank, second_rank (from 0, the lowest, to 1).
    """

    names: tuple[str, str]
    by_date: pl.DataFrame
    differences: pl.DataFrame

    def lines(self) -> list[str]:
        """The comparison in words."""
        correlations = self.by_date["rank_correlation"].drop_nans()
        lone = int(self.by_date["only_first"].sum()), int(self.by_date["only_second"].sum())
        told = [f"{self.by_date.height} sessions in both, {self.by_date['symbols'].sum():,} scores compared"]
        if len(correlations):
            values = correlations.to_numpy()
            told.append(f"rank correlation by session: mean {values.mean():.3f}, lowest {values.min():.3f}")
        else:
            told.append("no session has a rank correlation: too few symbols, or all scores equal")
        told += [f"{count:,} scores only in {name}" for name, count in zip(self.names, lone, strict=True) if count]
        return told

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "first": self.names[0],
            "second": self.names[1],
            "dates": self.by_date.to_dicts(),
            "differences": self.differences.to_dicts(),
        }


def compare(first: pl.DataFrame, second: pl.DataFrame, names: tuple[str, str], top: int) -> Comparison:
    """Compare two tables of date, symbol and score; `top` differences are kept.

    A NaN score is no opinion and left out. Raises DataError where they share no date.
    """
    keys = ["date", "symbol"]
    both = [frame.filter(pl.col("score").is_finite()).select(*keys, "score") for frame in (first, second)]
    one, other = both
    joined = one.join(other, on=keys, suffix="_second").rename({"score": "first", "score_second": "second"})
    shared = set(one["date"]) & set(other["date"])
    if not shared:
        spans = [f"{name} has {_span(frame)}" for name, frame in zip(names, both, strict=True)]
        raise DataError(f"no session is in both: {', '.join(spans)}", hint="kq signal --recipe … computes more")
    place = [
        ((pl.col(name).rank().over("date") - 1) / (pl.len().over("date") - 1).clip(1)).alias(f"{name}_rank")
        for name in ("first", "second")
    ]
    ranked = joined.with_columns(place)
    away = (pl.col("first_rank") - pl.col("second_rank")).abs()
    counts = [
        frame.filter(pl.col("date").is_in(list(shared))).group_by("date").len(name)
        for name, frame in (("in_first", one), ("in_second", other))
    ]
    by_date = pl.DataFrame({"date": sorted(shared)}).join(_correlations(joined), on="date", how="left")
    for frame in counts:
        by_date = by_date.join(frame, on="date", how="left")
    by_date = by_date.with_columns(pl.col("symbols").fill_null(0)).select(
        "date",
        "symbols",
        (pl.col("in_first") - pl.col("symbols")).alias("only_first"),
        (pl.col("in_second") - pl.col("symbols")).alias("only_second"),
        pl.col("rank_correlation").fill_null(float("nan")),
    )
    return Comparison(names, by_date.sort("date"), ranked.sort(away, *keys, descending=[True, False, False]).head(top))


def _span(frame: pl.DataFrame) -> str:
    dates = frame["date"].sort()
    return f"{dates[0]} to {dates[-1]}" if len(dates) else "none"


def _correlations(joined: pl.DataFrame) -> pl.DataFrame:
    """date, symbols, rank_correlation; NaN where it means nothing."""
    found = []
    for (on,), frame in joined.group_by("date"):
        first, second = frame["first"].to_numpy(), frame["second"].to_numpy()
        told = frame.height >= LEAST_SYMBOLS and len(np.unique(first)) > 1 and len(np.unique(second)) > 1
        found.append((on, frame.height, float(spearmanr(first, second).statistic) if told else float("nan")))
    types = {"date": pl.Date, "symbols": pl.UInt32, "rank_correlation": pl.Float64}
    return pl.DataFrame(found, schema=types, orient="row")
