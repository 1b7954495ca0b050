"""The five time features of a bar: minute, hour, weekday (Monday 0), day, month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

STAMP_COLUMNS = ("minute", "hour", "weekday", "day", "month")


def stamps(times: pl.Series | Sequence[datetime]) -> NDArray[np.int16]:
    """Time features of bar-end stamps: int16[N, 5] in the order of STAMP_COLUMNS.

    Daily bars are stamped at 00:00 of their session, so their minute and hour are 0.
    """
    series = times if isinstance(times, pl.Series) else pl.Series(times, dtype=pl.Datetime("us"))
    part = series.dt
    columns = (part.minute(), part.hour(), part.weekday() - 1, part.day(), part.month())
    return np.stack([column.cast(pl.Int16).to_numpy() for column in columns], axis=1)
