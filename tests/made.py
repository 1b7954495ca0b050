"""Made inputs that tests of several rooms share."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import polars as pl

from kronos_quant import schema

if TYPE_CHECKING:
    from kronos_quant.market import BarBatch, IngestReport
    from kronos_quant.workspace import WorkspaceFolder

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
HANG_SECONDS = 600
"""How long a test waits before it calls something hung: a limit ends a hang, it does not judge speed."""


@cache
def killed_process() -> str:
    """A process of this machine that has ended, as names of files say it."""
    child = "from kronos_quant.owners import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True).stdout.strip()


def left_by_a_killed_process(name: str) -> str:
    """The name of what a killed process was writing aside: of its folder's next writer to remove."""
    return f".partial-{killed_process()}-{uuid4().hex[:8]}-{name}"


def weekdays(count: int, start: date = date(2024, 1, 1)) -> list[date]:
    """The first `count` weekdays from `start` on."""
    days = (start + timedelta(days=i) for i in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def make_bars(symbols: list[str], sessions: list[date], seed: int = 0) -> pl.DataFrame:
    """Daily bars of a random walk for every symbol on every session."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        close = 20 * np.exp(np.cumsum(0.02 * rng.standard_normal(len(sessions))))
        opened = close * np.exp(0.005 * rng.standard_normal(len(sessions)))
        volume = np.exp(10 + 0.3 * rng.standard_normal(len(sessions)))
        frames.append(
            pl.DataFrame(
                {
                    "symbol": symbol,
                    "date": sessions,
                    "time": [datetime.combine(day, datetime.min.time()) for day in sessions],
                    "open": opened,
                    "high": np.maximum(opened, close) * 1.01,
                    "low": np.minimum(opened, close) * 0.99,
                    "close": close,
                    "volume": volume,
                    "amount": volume * close,
                    "factor": 1.0,
                }
            )
        )
    return pl.concat(frames).cast(schema.BARS)


XSHG_HALF_HOURS = tuple(time(hour, minute) for hour, minute in
                        ((10, 0), (10, 30), (11, 0), (11, 30), (13, 30), (14, 0), (14, 30), (15, 0)))  # fmt: skip


def make_intraday_bars(
    symbols: list[str], sessions: list[date], ends: tuple[time, ...] = XSHG_HALF_HOURS, seed: int = 0
) -> pl.DataFrame:
    """Bars that end at the same times of day on every session, of a random walk for every symbol."""
    count = len(sessions) * len(ends)
    walk = make_bars(symbols, weekdays(count), seed)
    moments = [(day, datetime.combine(day, end)) for day in sessions for end in ends]
    frame = pl.DataFrame(moments, schema={"date": pl.Date, "time": pl.Datetime("us")}, orient="row")
    return walk.with_columns(pl.concat([frame] * len(symbols)).get_columns())


class MarketOf:
    """A market of given bars, as far as signals and their outcomes ask."""

    def __init__(self, bars: pl.DataFrame) -> None:
        self.frame = bars

    def sessions(self) -> list[date]:
        return self.frame["date"].unique().sort().to_list()

    def times(self) -> pl.DataFrame:
        return self.frame.select("date", "time").unique().sort("time")

    def select_bars(self, symbols: list[str], start: date) -> pl.DataFrame:
        kept = self.frame.filter(self.frame["symbol"].is_in(symbols) & (self.frame["date"] >= start))
        return kept.sort("symbol", "time")


def store_unchecked(root: Path, batch: BarBatch) -> IngestReport:
    """Store bars that are well, without the time that the checks of their quality take."""
    from kronos_quant.market import store_bars

    return store_bars(root, batch, checks=[])


HALF_HOUR_SYMBOLS = ("SH600000", "SH600001", "SZ000001", "SZ000002")


def intraday_workspace(root: Path, symbols: tuple[str, ...] = HALF_HOUR_SYMBOLS, count: int = 40) -> WorkspaceFolder:
    """A workspace with half-hour bars of Shanghai, eight a session; SZ000002 misses the afternoon of the 21st."""
    from kronos_quant.market import BarBatch, store_bars
    from kronos_quant.market.sessions import sessions_between
    from kronos_quant.market.store import make_instruments
    from kronos_quant.workspace import init_workspace, open_workspace_folder

    init_workspace(root)
    days = sessions_between("XSHG", date(2024, 1, 2), date(2024, 6, 28))[:count]
    gone = (pl.col("symbol") == "SZ000002") & (pl.col("date") == days[20]) & (pl.col("time").dt.hour() > 12)
    bars = make_intraday_bars(list(symbols), days).filter(~gone)
    instruments, nothing = make_instruments(list(symbols), "XSHG"), pl.DataFrame(schema=schema.UNIVERSES)
    store_bars(root, BarBatch("test", None, "30min", bars, instruments, nothing, days, "XSHG"))
    return open_workspace_folder(root)


def write_scores(workspace: WorkspaceFolder, name: str, sessions: int, *, without_newest: bool = False) -> list[date]:
    """Scores of the newest sessions, made up from the closes, as a CSV or Parquet file; returns the market's sessions.

    without_newest : the newest session has none, so that all of them trade
    """
    from kronos_quant.market import open_market

    market = open_market(workspace.root)
    known = market.sessions()
    bars = market.bars().filter(pl.col("symbol").str.starts_with("MADE0"), pl.col("date") >= known[-sessions])
    scores = bars.select("date", "symbol", (pl.col("close").cast(pl.Float64) % 1).alias("score"))
    if without_newest:
        scores = scores.filter(pl.col("date") < known[-1])
    path = workspace.root / name
    scores.write_parquet(path) if path.suffix == ".parquet" else scores.write_csv(path)
    return known
