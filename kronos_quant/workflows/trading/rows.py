"""From the moment of a score to the row of the back-test after which it is known."""

from __future__ import annotations

from datetime import time, timedelta

import polars as pl

from kronos_quant import schema
from kronos_quant.errors import counted
from kronos_quant.market import Market
from kronos_quant.market.sessions import freq_minutes


def on_rows(scores: pl.DataFrame, market: Market) -> tuple[pl.DataFrame, list[str]]:
    """Scores (time, symbol, score) on the rows of a back-test, and what a reader has to know of it.

    Returns date, symbol and score or, of an intraday market, date, time, symbol and score: `time` is then the end of
    the bar before the first one that begins at or after the score's moment. A date alone means the session's close.
    What lies on no session of the data, or after their last bar, is left out.
    """
    if market.freq == schema.DAILY:
        return _on_sessions(scores, market)
    bars = market.times().with_row_index("row")
    if (scores["time"].dt.time() == time()).all():
        return _at_closes(scores, bars)
    return _on_bars(scores, bars, timedelta(minutes=freq_minutes(market.freq)))


def _on_sessions(scores: pl.DataFrame, market: Market) -> tuple[pl.DataFrame, list[str]]:
    dated = scores.select(pl.col("time").dt.date().alias("date"), "symbol", "score")
    kept = dated.filter(pl.col("date").is_in(market.sessions()))
    return kept, _left_out(dated["date"].n_unique() - kept["date"].n_unique())


def _at_closes(scores: pl.DataFrame, bars: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    closes = bars.group_by("date").agg(pl.col("time").max())
    dated = scores.select(pl.col("time").dt.date().alias("date"), "symbol", "score")
    kept = dated.join(closes, on="date").select("date", "time", "symbol", "score")
    return kept, _left_out(dated["date"].n_unique() - kept["date"].n_unique())


def _on_bars(scores: pl.DataFrame, bars: pl.DataFrame, step: timedelta) -> tuple[pl.DataFrame, list[str]]:
    # a bar begins where the one before it ended, the first one of a session a step before its end
    before = pl.col("time").shift(1)
    begins = pl.when(pl.col("date") == pl.col("date").shift(1)).then(before).otherwise(pl.col("time") - step)
    trading = bars.select(begins.alias("begin"), (pl.col("row").cast(pl.Int64) - 1).alias("row")).sort("begin")
    moments = scores.select("time").unique().sort("time")
    placed = moments.join_asof(trading, left_on="time", right_on="begin", strategy="forward")
    rows = bars.select(pl.col("row").cast(pl.Int64), "date", pl.col("time").alias("end"))
    known = placed.join(rows, on="row", how="inner")
    kept = (
        scores.join(known, on="time")
        .sort("time")
        .unique(["end", "symbol"], keep="last", maintain_order=True)
        .select("date", pl.col("end").alias("time"), "symbol", "score")
    )
    notes = []
    # after the very last bar nothing trades, which is no fault of the scores
    lost = len(moments.filter(pl.col("time") != bars["time"][-1]).join(known, on="time", how="anti"))
    if lost:
        notes.append(f"{lost} moments of the scores lie where no bar of the data begins after them: left out.")
    moved = known.filter(pl.col("time") != pl.col("end")).height
    if moved:
        notes.append(
            f"{moved} moments of the scores are no ends of bars: they trade at the first bar that begins after them."
        )
    return kept, notes


def _left_out(dates: int) -> list[str]:
    return [f"Left out: {counted(dates, 'date')} of the scores that the data have no session of."] if dates else []
