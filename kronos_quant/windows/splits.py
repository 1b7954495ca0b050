"""Training, validation and test by the time of the TARGET bars: no target bar is in two splits.

The lookback of a validation window may reach into training time, as it would in use; its targets may not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.windows.index import WindowIndex
from kronos_quant.windows.table import BarTable


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A span of bar times, both ends included; empty when start > end."""

    start: np.datetime64
    end: np.datetime64

    def __str__(self) -> str:
        return f"{time_text(self.start)} to {time_text(self.end)}"


@dataclass(frozen=True, slots=True)
class Splits:
    """The target times of training, validation and test."""

    train: TimeRange
    val: TimeRange
    test: TimeRange


def make_splits(
    table: BarTable,
    *,
    train_ratio: float,
    val_ratio: float,
    embargo: int,
    train_dates: tuple[date, date] | None = None,
    val_dates: tuple[date, date] | None = None,
    sessions: Sequence[date],
    bounds: tuple[date | None, date | None] = (None, None),
) -> Splits:
    """Split by dates when they are given, else by shares of the distinct bar times.

    Parameters
    ----------
    table
        The bars.
    train_ratio, val_ratio
        Shares of the bar times for training, the earliest, and for validation after it.
    embargo
        Sessions left out before validation and before test.
    train_dates, val_dates
        First and last date of the targets of each; None: by the shares.
    sessions
        The market's calendar, ascending.
    bounds
        First and last date of any target.

    Raises
    ------
    ConfigError
        When the dated ranges overlap.
    DataError
        When there are too few bars to split.
    """
    calendar = np.array(sessions, dtype="datetime64[D]")
    times = _within(np.unique(table.time), bounds)
    if train_dates and val_dates:
        if val_dates[0] <= train_dates[1]:
            raise ConfigError(
                f"train.val_time_range: must start after training's targets end on {train_dates[1]}, "
                f"found {val_dates[0]}",
                hint="splits are by the target's date: the lookback may reach back without being named",
            )
        train = TimeRange(np.datetime64(train_dates[0], "us"), _day_end(train_dates[1]))
        first = np.datetime64(val_dates[0], "us")
        val = TimeRange(max(first, _after(train.end, embargo, times, calendar)), _day_end(val_dates[1]))
    else:
        if len(times) < 3:
            raise DataError(f"{len(times)} bar times are too few to split into training, validation and test")
        last_train = times[max(1, int(len(times) * train_ratio)) - 1]
        last_val = times[min(len(times) - 2, max(2, int(len(times) * (train_ratio + val_ratio))) - 1)]
        train = TimeRange(times[0], last_train)
        val = TimeRange(_after(last_train, embargo, times, calendar), last_val)
    return Splits(train, val, TimeRange(_after(val.end, embargo, times, calendar), times[-1]))


def _within(times: NDArray[np.datetime64], bounds: tuple[date | None, date | None]) -> NDArray[np.datetime64]:
    first, last = bounds
    kept = np.ones(len(times), bool) if first is None else times >= np.datetime64(first, "us")
    found = times[kept if last is None else kept & (times <= _day_end(last))]
    if len(times) and not len(found):
        raise DataError(f"no bars from {first or 'the first'} to {last or 'the last'}, the bounds of the dataset")
    return found


def target_mask(table: BarTable, index: WindowIndex, span: TimeRange) -> NDArray[np.bool_]:
    """bool[n]: every target bar of the window lies in a span.

    Parameters
    ----------
    table, index
        The bars, and the n windows in them.
    span
        The span of times.
    """
    first, last = table.time[index.anchor + 1], table.time[index.anchor + index.predict]
    return (first >= span.start) & (last <= span.end)


def _after(
    end: np.datetime64, embargo: int, times: NDArray[np.datetime64], calendar: NDArray[np.datetime64]
) -> np.datetime64:
    """The first bar time after `end` and after `embargo` more sessions; a moment after all bars when there is none."""
    if embargo:
        position = int(np.searchsorted(calendar, end.astype("datetime64[D]"), side="right")) + embargo
        if position < len(calendar):
            end = calendar[position].astype("datetime64[us]") - np.timedelta64(1, "us")
        else:
            end = times[-1]
    later = int(np.searchsorted(times, end, side="right"))
    moment: np.datetime64 = times[later] if later < len(times) else times[-1] + np.timedelta64(1, "us")
    return moment


def _day_end(day: date) -> np.datetime64:
    return np.datetime64(day, "us") + np.timedelta64(1, "D") - np.timedelta64(1, "us")


def time_text(moment: np.datetime64) -> str:
    """A moment to the minute as text, without a time of day of 00:00."""
    text = str(moment.astype("datetime64[m]")).replace("T", " ")
    return text.removesuffix(" 00:00")
