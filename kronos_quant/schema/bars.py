"""The data contract between the rooms: column names, dtypes and keys.

Prices in BARS are adjusted as the source gives them (raw price = price / factor; raw volume = volume * factor, unless
the source left a symbol's volume unadjusted, which the snapshot says);
`time` is the bar's end in exchange-local time, 00:00 of the session for daily bars (as Qlib stamps them).
A suspended session has no row, also where its source has a bar of it; `market.suspensions` says which are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

PRICES = ("open", "high", "low", "close")
FEATURES = (*PRICES, "volume", "amount")
"""The network's input, in its order."""

NUMBERS = (*FEATURES, "factor")
"""All that a bar measures."""

BARS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "date": pl.Date(),
    "time": pl.Datetime("us"),
    **{name: pl.Float32() for name in NUMBERS},
}
"""One row a bar; key (symbol, time), sorted by it."""

INSTRUMENTS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "exchange": pl.String(),  # ISO 10383 code, or "" where unknown
    "kind": pl.String(),  # "stock", "fund", "bond" or "index"
    "first_date": pl.Date(),
    "last_date": pl.Date(),
    "in_all": pl.Boolean(),  # whether the source's list of all symbols names it; null without such a list
}

UNIVERSES: dict[str, pl.DataType] = {
    "universe": pl.String(),
    "symbol": pl.String(),
    "start": pl.Date(),
    "end": pl.Date(),  # inclusive
}

DAILY = "day"
"""The name of the daily bar frequency; the others are 1min, 5min, 15min, 30min, 60min."""


def quantile_name(level: float) -> str:
    """The column of a quantile: the level's digits after the point, two at least; 1 is q100.

    >>> quantile_name(0.05), quantile_name(0.5), quantile_name(0.975)
    ('q05', 'q50', 'q975')
    """
    return "q100" if level == 1 else "q" + f"{level:.12f}".rstrip("0").partition(".")[2].ljust(2, "0")


def quantile_columns(columns: Sequence[str], prefix: str = "") -> dict[str, float]:
    """The quantile columns of a table and their levels, ascending; q5 is none.

    >>> quantile_columns(["q975", "q05", "close"])
    {'q05': 0.05, 'q975': 0.975}
    """
    found = {name: re.fullmatch(rf"{prefix}q(\d{{2,}})", name) for name in columns}
    levels = {name: 1.0 if match[1] == "100" else float(f"0.{match[1]}") for name, match in found.items() if match}
    return dict(sorted(levels.items(), key=lambda item: item[1]))
