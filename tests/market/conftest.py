"""Small Qlib directories and batches, written by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kronos_quant.market import BarBatch, canonical
from kronos_quant.market.store import make_instruments
from kronos_quant.schema import BARS, UNIVERSES

NAN = float("nan")


@dataclass(frozen=True)
class QlibDir:
    """A Qlib directory in the making."""

    path: Path

    def calendar(self, days: Sequence[str], freq: str = "day") -> QlibDir:
        return self.text(f"calendars/{freq}.txt", "".join(f"{day}\n" for day in days))

    def text(self, name: str, text: str) -> QlibDir:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return self

    def bin(self, folder: str, field: str, start: float, values: Sequence[float], dtype: str = "<f4") -> Path:
        target = self.path / "features" / folder / f"{field}.day.bin"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.array([start, *values]).astype(dtype).tofile(target)
        return target

    def stock(self, folder: str, close: Sequence[float], start: int = 0, **fields: Sequence[float]) -> QlibDir:
        """A stock whose bars are close - 0.5, close + 1, close - 1, close, with volume 100 unless a field says else."""
        given = {
            "open": [value - 0.5 for value in close],
            "high": [value + 1 for value in close],
            "low": [value - 1 for value in close],
            "close": close,
            "volume": [value * 0 + 100 for value in close],
            "factor": [value * 0 + 1 for value in close],
        } | fields
        for field, values in given.items():
            if values:
                self.bin(folder, field, start, values)
        return self


DAYS = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08"]


@pytest.fixture
def qlib_dir(tmp_path: Path) -> QlibDir:
    """A directory with a calendar of five sessions, no list and no features."""
    directory = QlibDir(tmp_path / "qlib").calendar(DAYS)
    (directory.path / "features").mkdir()
    return directory


BatchMaker = Callable[..., BarBatch]


@pytest.fixture(scope="session")
def make_batch() -> BatchMaker:
    """A function that makes a batch of daily bars: {symbol: {day offset from 2024-01-01: close}}."""

    def make(
        closes: Mapping[str, Mapping[int, float]],
        *,
        exchange: str = "",
        universes: Sequence[tuple[str, str, date, date]] = (),
        **columns: object,
    ) -> BarBatch:
        rows = [
            (canonical(symbol), date(2024, 1, 1) + timedelta(days=offset), close)
            for symbol, bars in closes.items()
            for offset, close in bars.items()
        ]
        frame = pl.DataFrame(rows, schema={"symbol": pl.String, "date": pl.Date, "close": pl.Float64}, orient="row")
        values = {"open": pl.col("close"), "high": pl.col("close") + 1, "low": pl.col("close") - 1}
        values |= {"volume": pl.lit(100.0), "amount": pl.lit(1000.0), "factor": pl.lit(1.0)}
        frame = frame.with_columns(time=pl.col("date").cast(pl.Datetime("us")), **values).with_columns(**columns)
        return BarBatch(
            source="test",
            path=None,
            freq="day",
            bars=frame.select(list(BARS)),
            instruments=make_instruments(frame["symbol"].unique().to_list(), exchange),
            universes=pl.DataFrame(list(universes), schema=UNIVERSES, orient="row"),
            sessions=frame["date"].unique().sort().to_list(),
            exchange=exchange,
        )

    return make


@pytest.fixture
def at() -> Callable[[str], datetime]:
    """A time from its ISO text."""
    return datetime.fromisoformat
