"""Two sets of signals side by side: how alike they rank each moment, and where they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from kronos_quant.errors import DataError, counted
from kronos_quant.signals.moments import MOMENT
from kronos_quant.stats.correlation import FEWEST_PAIRS

_RANK_CORRELATION = pl.when(pl.len() >= FEWEST_PAIRS).then(pl.corr("first", "second", method="spearman"))


@dataclass(frozen=True, slots=True)
class SignalComparison:
    """How alike two sets of signals rank.

    by_date : date, symbols (in both), only_first, only_second, rank_correlation (NaN where one side is all ties).
    differences : date, symbol, first, second (scores), first_rank, second_rank (from 0, the lowest, to 1).
    Both have asof, the moment, after the date where it is not the date itself.
    """

    names: tuple[str, str]
    by_date: pl.DataFrame
    differences: pl.DataFrame

    def lines(self) -> list[str]:
        """The comparison in words."""
        correlations = self.by_date["rank_correlation"].drop_nans()
        lone = int(self.by_date["only_first"].sum()), int(self.by_date["only_second"].sum())
        sessions = self.by_date["date"].n_unique()
        several = f" ({self.by_date.height} moments)" if self.by_date.height > sessions else ""
        lines = [f"{counted(sessions, 'session')} in both{several}, {self.by_date['symbols'].sum():,} scores compared"]
        if len(correlations):
            values = correlations.to_numpy()
            lines.append(f"rank correlation per session: mean {values.mean():.3f}, lowest {values.min():.3f}")
        else:
            lines.append("no rank correlation: too few symbols, or all scores are equal")
        lines += [f"{count:,} scores only in {name}" for name, count in zip(self.names, lone, strict=True) if count]
        return lines

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "first": self.names[0],
            "second": self.names[1],
            "dates": self.by_date.to_dicts(),
            "differences": self.differences.to_dicts(),
        }


def compare_signals(first: pl.DataFrame, second: pl.DataFrame, names: tuple[str, str], top: int) -> SignalComparison:
    """Compare how two tables of scores rank their symbols, moment by moment.

    Parameters
    ----------
    first, second : date, moment, symbol, score; NaN is no opinion and left out
    names : of the two
    top : how many of the largest differences of rank are kept

    Raises
    ------
    DataError
        where they share no moment.

    >>> from datetime import datetime
    >>> day = pl.DataFrame({"date": [datetime(2025, 6, 5)] * 3, "symbol": ["A", "B", "C"], "score": [1.0, 2.0, 3.0]})
    >>> first = day.with_columns(pl.col("date").cast(pl.Date), pl.col("date").alias("moment"))
    >>> second = first.with_columns(score=-pl.col("score"))
    >>> compare_signals(first, second, ("mine", "yours"), top=1).by_date["rank_correlation"].round(3).to_list()
    [-1.0]
    """
    when, keys = ["date", MOMENT], ["date", MOMENT, "symbol"]
    one, other = (
        frame.filter(pl.col("score").is_finite()).select(*keys, pl.col("score").alias(name))
        for frame, name in ((first, "first"), (second, "second"))
    )
    rows = one.join(other, on=keys, how="full", coalesce=True)
    rows = rows.filter(pl.all_horizontal(pl.col("first", "second").count().over(when) > 0)).sort(keys)
    if rows.is_empty():
        spans = [f"{name} has {_span(frame)}" for name, frame in zip(names, (one, other), strict=True)]
        raise DataError(f"no session is in both: {', '.join(spans)}", hint="kq signal list")
    joined = rows.drop_nulls()
    by_date = rows.group_by(when, maintain_order=True).agg(
        symbols=(pl.col("first") + pl.col("second")).count(),
        only_first=pl.col("second").null_count(),
        only_second=pl.col("first").null_count(),
    )
    by_date = by_date.join(joined.group_by(when).agg(rank_correlation=_RANK_CORRELATION), on=when, how="left")
    by_date = by_date.sort(when).with_columns(pl.col("rank_correlation").fill_null(float("nan")))
    place = ((pl.col("first", "second").rank().over(MOMENT) - 1) / (pl.len().over(MOMENT) - 1).clip(1)).name.suffix(
        "_rank"
    )
    away = (pl.col("first_rank") - pl.col("second_rank")).abs()
    differences = joined.with_columns(place).sort(away, *keys, descending=[True, False, False, False]).head(top)
    daily = (by_date["date"].cast(pl.Datetime("us")) == by_date[MOMENT]).all()
    shown = [frame.drop(MOMENT) if daily else frame.rename({MOMENT: "asof"}) for frame in (by_date, differences)]
    return SignalComparison(names, *shown)


def _span(frame: pl.DataFrame) -> str:
    dates = frame["date"].sort()
    return f"{dates[0]} to {dates[-1]}" if len(dates) else "none"
