"""When signals are made: at the close of every session, or at decision points within it.

A moment is the end stamp of the last bar that was seen. Scores are ranked against others of the same moment.
Shapes: T moments, M bars (the distinct end stamps of a market).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, time
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from kronos_quant.arrays import IntArray
from kronos_quant.bounds import BarCount
from kronos_quant.config import Section
from kronos_quant.errors import ConfigError, listed
from kronos_quant.inputs import short_repr
from kronos_quant.market import Market
from kronos_quant.schema import DAILY

CLOSE = "close"
MOMENT = "moment"
"""The column of a row's moment, where one is added."""


class DecisionPoints(Section):
    """After which bars of a session signals are made; with neither field, after its last one."""

    units: ClassVar = {"bars": "every"}

    every: BarCount | None = Field(None, ge=1, description="every N bars of the session, counted from its first")
    times: tuple[time, ...] = Field((), description="at the bars that end at these times of day")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if value == CLOSE:
            return {}
        if isinstance(value, dict | cls):
            return value
        raise ValueError(f"expected {CLOSE}, {{every: 12}} or {{times: ['11:30', '15:00']}}, found {short_repr(value)}")

    @field_validator("times", mode="before")
    @classmethod
    def _minutes(cls, value: Any) -> Any:
        """YAML reads 11:30 without quotes as a number of base 60: 690."""
        if not isinstance(value, list | tuple):
            return value
        return [time(each // 60, each % 60) if type(each) is int and 0 <= each < 24 * 60 else each for each in value]

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.every is not None and self.times:
            raise ValueError("give either every or times")
        return self

    @property
    def at_close(self) -> bool:
        """Whether the session's last bar is the only one."""
        return self.every is None and not self.times

    def among(self, bars: pl.DataFrame) -> NDArray[np.bool_]:
        """bool[M]: which bars of a market are decision points; bars : `Market.times`.

        Raises ConfigError for a time of day at which no bar ends.
        """
        if self.at_close:
            chosen = pl.col("time") == pl.col("time").max().over("date")
        elif self.every is not None:
            chosen = pl.col("time").rank("ordinal").over("date") % self.every == 0
        else:
            ends = bars["time"].dt.time().unique().sort()
            lost = [f"{each:%H:%M}" for each in self.times if each not in ends]
            if lost:
                there = listed(f"{end:%H:%M}" for end in ends)
                raise ConfigError(f"asof: times: no bar ends at {listed(lost)}", hint=f"Bars end at {there}.")
            chosen = pl.col("time").dt.time().is_in(list(self.times))
        found: NDArray[np.bool_] = bars.select(chosen).to_series().to_numpy()
        return found


def moment_of(freq: str, *, at_close: bool) -> pl.Expr:
    """The moment of a row of signals: of a session's close it is one, whatever bar a symbol saw last."""
    if freq == DAILY:
        return pl.col("date").cast(pl.Datetime("us"))
    return pl.col("asof").max().over("date") if at_close else pl.col("asof")


@dataclass(frozen=True, slots=True)
class Moments:
    """Some moments, ascending, and where they stand among the bars of their market."""

    time: NDArray[np.datetime64]  # [T]
    date: list[date]
    """Of their sessions."""
    session: IntArray  # [T], place of the session in the calendar
    bar: IntArray  # [T], place among the market's bars of the last one that has ended
    exact: NDArray[np.bool_]  # [T], whether it ends at the moment
    bar_session: IntArray  # [M], place of every bar's session

    @classmethod
    def of(cls, market: Market, found: pl.DataFrame) -> Moments:
        """The distinct moments of rows of date and moment."""
        rows = found.select("date", MOMENT).unique().sort(MOMENT)
        bars = market.times()
        calendar = np.array(market.sessions(), dtype="datetime64[D]")
        ends = np.array(bars["time"].to_numpy(), dtype="datetime64[us]")
        times = np.array(rows[MOMENT].to_numpy(), dtype="datetime64[us]")
        bar = np.searchsorted(ends, times, side="right") - 1
        return cls(
            time=times,
            date=rows["date"].to_list(),
            session=np.searchsorted(calendar, rows["date"].to_numpy()),
            bar=bar,
            exact=ends[bar] == times,
            bar_session=np.searchsorted(calendar, bars["date"].to_numpy()),
        )

    def session_before(self, bars: int) -> IntArray:
        """int64[T]: the session of the bar so many bars before each moment; -1 before the first."""
        place = self.bar - bars
        return np.where(place >= 0, self.bar_session[np.maximum(place, 0)], -1)


def sessions_back(market: Market, on: date, bars: int) -> int:
    """How many sessions before `on` the bar lies that is so many bars before the first one of `on`."""
    ends, calendar = market.times()["date"], market.sessions()
    earlier: date = ends[max(int(ends.search_sorted(on)) - bars, 0)]
    return bisect_left(calendar, on) - bisect_left(calendar, earlier)
