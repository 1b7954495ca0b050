"""Files of a reader's own that pages name, made from the synthetic market.

A page gets those whose names its blocks use. The market is the demo's; only names, dates and hours are put on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import polars as pl

from doccheck.pages import Page
from kronos_quant import schema
from kronos_quant.market import BarBatch, SyntheticSpec, export_bars, make_market, open_market, store_bars
from kronos_quant.market.sessions import sessions_before, sessions_between
from kronos_quant.market.store import make_instruments
from kronos_quant.workspace import init_workspace

SYMBOLS, SESSIONS, LAST_SESSION = 40, 320, date(2022, 12, 30)
INTRADAY_FROM, INTRADAY_TO = date(2024, 6, 18), date(2024, 8, 16)
FIRST_PRICE = 11.27
HOURS = {"XSHG": ((9.5, 11.5), (13, 15)), "XHKG": ((9.5, 12), (13, 16))}


@cache
def daily_bars() -> pl.DataFrame:
    """Bars of 40 A-share symbols over 320 sessions to the end of 2022."""
    made = make_market(SyntheticSpec(symbols=SYMBOLS, sessions=SESSIONS))
    names = {old: f"SH{600000 + i}" if i % 2 else f"SZ{i:06d}" for i, old in enumerate(made.symbols)}
    days = dict(zip(made.sessions, sessions_before("XSHG", LAST_SESSION, SESSIONS), strict=True))
    bars = made.batch.bars.filter(pl.col("symbol").is_in(made.symbols))
    dates = pl.col("date").replace_strict(days, return_dtype=pl.Date)
    moved = bars.with_columns(pl.col("symbol").replace(names), dates, dates.cast(pl.Datetime("us")).alias("time"))
    return moved.sort("symbol", "time").cast(schema.BARS)


def qlib_folder(path: Path) -> None:
    """A Qlib directory: calendars/, instruments/, features/."""
    bars = daily_bars()
    symbols, sessions = bars["symbol"].unique().sort().to_list(), bars["date"].unique().sort().to_list()
    root = path.with_name(f".{path.name}-workspace")
    init_workspace(root)
    nothing = pl.DataFrame(schema=schema.UNIVERSES)
    batch = BarBatch("made", None, schema.DAILY, bars, make_instruments(symbols, "XSHG"), nothing, sessions, "XSHG")
    store_bars(root, batch, checks=[])
    export_bars(open_market(root), path, "qlib")


def csv_folder(path: Path) -> None:
    """A folder with one file of daily bars per symbol."""
    path.mkdir()
    for (symbol,), bars in daily_bars().group_by("symbol"):
        stamps = pl.col("time").dt.to_string("%Y-%m-%d").alias("timestamps")
        bars.select(stamps, "open", "close", "high", "low", "volume", "amount").write_csv(path / f"{symbol}.csv")


def scores_file(path: Path) -> None:
    """Scores of the demo's symbols on its newest 60 sessions: minus the return of the session."""
    bars = make_market(SyntheticSpec()).batch.bars.filter(pl.col("symbol").str.starts_with("MADE0"))
    change = -pl.col("close").cast(pl.Float64).pct_change().over("symbol")
    newest = bars["date"].unique().sort().tail(60).implode()
    scores = bars.with_columns(change.alias("score")).filter(pl.col("date").is_in(newest)).drop_nulls("score")
    scores.select("date", "symbol", pl.col("score").round(6)).sort("date", "symbol").write_csv(path)


def five_minutes(exchange: str) -> Callable[[Path], None]:
    """A file of one symbol's 5-minute bars, as the published CSV guide has it."""

    def write(path: Path) -> None:
        stamps = [
            datetime.combine(day, datetime.min.time()) + timedelta(hours=start, minutes=minute)
            for day in sessions_between(exchange, INTRADAY_FROM, INTRADAY_TO)
            for start, end in HOURS[exchange]
            for minute in range(5, round((end - start) * 60) + 1, 5)
        ]
        made = make_market(SyntheticSpec(symbols=5, sessions=min(len(stamps), 10_000))).batch.bars
        walk = made.filter(pl.col("symbol") == made["symbol"][0]).head(len(stamps))
        first = walk["close"][0]
        # five minutes move a price less than a session does
        prices = [
            (FIRST_PRICE * (pl.col(name).cast(pl.Float64) / first) ** 0.1).round(2).alias(name)
            for name in ("open", "close", "high", "low")
        ]
        volume = (pl.col("volume").cast(pl.Float64) / 100).round() * 100
        bars = walk.select(pl.Series("timestamps", stamps[: walk.height]), *prices, volume)
        stamp = pl.col("timestamps").dt.to_string("%Y-%m-%d %H:%M:%S")
        bars.with_columns(stamp, (pl.col("volume") * pl.col("close")).round(0).alias("amount")).write_csv(path)

    return write


INPUTS: dict[str, Callable[[Path], None]] = {
    "my_qlib": qlib_folder,
    "my_csv": csv_folder,
    "my_scores.csv": scores_file,
    "SH600977.csv": five_minutes("XSHG"),
    "HK_ali_09988_kline_5min_all.csv": five_minutes("XHKG"),
}
"""Name in the page -> what makes it."""


def named_inputs(page: Page) -> list[str]:
    """The inputs that the running blocks of a page name."""
    code = "\n".join(fence.source for fence in page.fences if fence.runs or fence.title)
    return [name for name in INPUTS if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", code)]
