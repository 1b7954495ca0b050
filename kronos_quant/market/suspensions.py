"""Which sessions a symbol was suspended in although its source has bars of them: decided once, when bars are published.

A session is suspended when the source says so, or when all its bars stand at the close of the session before without
a volume, in a source that gives the symbol volumes elsewhere. A flat bar within a session that trades is a traded bar,
and a flat one away from the close before is a day at its price limit. Readers see no bars of suspended sessions, as if
the source had none.
"""

from __future__ import annotations

import polars as pl

from kronos_quant.errors import counted, listed

PAUSED: dict[str, pl.DataType] = {"symbol": pl.String(), "date": pl.Date()}
"""Sessions that a source calls suspended, with a bar or without."""

_SAME_PRICE = 1e-6  # relative: what float32 leaves of a price times a factor
_TRADED = pl.col("volume").fill_null(0) > 0
_FACTS = ("symbol", "low", "high", "close", "factor", _TRADED.alias("traded"))


def find_suspended(bars: pl.DataFrame, paused: pl.DataFrame | None = None) -> pl.Series:
    """bool per bar: whether its session is suspended.

    bars : schema.BARS of whole symbols, sorted by symbol and time; a missing volume is null or 0. paused : PAUSED.

    >>> from datetime import date, datetime
    >>> days = [datetime(2024, 1, day) for day in (2, 3, 4)]
    >>> flat = {name: [10.0, 10.0, 11.0] for name in ("open", "high", "low", "close")}
    >>> bars = {"symbol": "SH600000", "date": days, "time": days, **flat, "volume": [5.0, 0.0, 0.0], "factor": 1.0}
    >>> find_suspended(pl.DataFrame(bars)).to_list()
    [False, True, False]
    """
    silent = (pl.col("volume").fill_null(0) <= 0) & (pl.col("high") == pl.col("low"))
    found = pl.repeat(False, len(bars), dtype=pl.Boolean, eager=True).alias("suspended")
    if bars.select(silent.any()).item():
        found = found | _at_close_before(bars, silent)
    if paused is not None and len(paused):
        said = bars.select("symbol", "date").join(
            paused.with_columns(said=pl.lit(True)), on=["symbol", "date"], how="left", maintain_order="left"
        )
        found = found | said["said"].fill_null(False)
    return found.alias("suspended")


def _at_close_before(bars: pl.DataFrame, silent: pl.Expr) -> pl.Series:
    """bool per bar: all bars of its session are silent and at the close of the session before."""
    same = (pl.col("symbol") == pl.col("symbol").shift()) & (pl.col("date") == pl.col("date").shift())
    intraday = bars.select(same.any()).item()
    sessions = _sessions(bars, silent) if intraday else bars.select(*_FACTS, silent=silent)
    close = [pl.col("close"), pl.col("close").cast(pl.Float64) / pl.col("factor")]  # as adjusted, and as quoted
    close_before = [(price - price.shift()).abs() <= _SAME_PRICE * price.shift() for price in close]
    suspended = (
        pl.col("silent")
        & (pl.col("low") == pl.col("high"))
        & (pl.col("symbol") == pl.col("symbol").shift())
        & pl.any_horizontal(close_before)
        & pl.col("traded").any().over("symbol")
    ).fill_null(False)
    if not intraday:
        return sessions.select(suspended.alias("suspended")).to_series()
    judged = sessions.select("bars", suspended=suspended)
    return judged.select(pl.col("suspended").repeat_by("bars").explode(empty_as_null=False)).to_series()


def _sessions(bars: pl.DataFrame, silent: pl.Expr) -> pl.DataFrame:
    """_FACTS of each session of intraday bars, whether all its bars are silent, and their number."""
    return bars.group_by("symbol", "date", maintain_order=True).agg(
        pl.len().alias("bars"),
        silent.all().alias("silent"),
        pl.col("low").min(),
        pl.col("high").max(),
        pl.col("close", "factor").last(),
        _TRADED.any().alias("traded"),
    )


def split_suspended(bars: pl.DataFrame, paused: pl.DataFrame | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The bars of sessions that trade, and those of suspended ones; the arguments are those of `find_suspended`."""
    suspended = find_suspended(bars, paused)
    return bars.filter(~suspended), bars.filter(suspended)


def suspended_note(suspended: pl.DataFrame) -> list[str]:
    """In words, which bars were left out; nothing where there are none."""
    if suspended.is_empty():
        return []
    symbols = suspended["symbol"].unique().sort().to_list()
    return [
        f"left out: {counted(len(suspended), 'bar')} of suspended sessions, flat at the close before without a volume "
        f"or marked by the source ({listed(symbols, 3)})"
    ]
