"""Binary files of TongDaXin, packed here from what is known of their form."""

from __future__ import annotations

import struct
from datetime import date, datetime
from pathlib import Path

import pytest

from kronos_quant.errors import DataError
from kronos_quant.market import BarBatch
from kronos_quant.market.ingest.tables import read_csv_files

# date, open, high, low, close, volume in shares, amount
BARS = [
    (20240527, 10.02, 10.11, 9.95, 10.05, 120_300, 1_208_000.0),
    (20240528, 10.05, 10.2, 10.0, 10.18, 98_700, 998_000.0),
]


def day_file(path: Path, scale: int, factor: float = 1.0) -> Path:
    rows = []
    for day, opened, high, low, close, volume, amount in BARS:
        prices = [round(price * factor * scale) for price in (opened, high, low, close)]
        rows.append(struct.pack("<IIIIIfII", day, *prices, amount * factor, volume, 65536))
    path.write_bytes(b"".join(rows))
    return path


def minute_file(path: Path) -> Path:
    day = (2024 - 2004) * 2048 + 5 * 100 + 27
    rows = [struct.pack("<HHfffffII", day, minute, 9.35, 9.4, 9.3, 9.38, 93_700.0, 10_000, 0) for minute in (575, 580)]
    path.write_bytes(b"".join(rows))
    return path


def first(batch: BarBatch) -> dict[str, object]:
    return batch.bars.sort("time").row(0, named=True)


@pytest.mark.parametrize(
    ("name", "scale", "factor"), [("sh600000", 100, 1.0), ("sh510300", 1000, 0.3), ("sz000001", 100, 2)]
)
def test_whole_numbers_are_prices_in_the_scale_that_was_paid(
    tmp_path: Path, name: str, scale: int, factor: float
) -> None:
    batch = read_csv_files(day_file(tmp_path / f"{name}.day", scale, factor))
    bar = first(batch)
    assert (bar["symbol"], bar["date"], batch.freq) == (name.upper(), date(2024, 5, 27), "day")
    assert bar["close"] == pytest.approx(10.05 * factor, abs=0.5 / scale)
    assert (bar["volume"], bar["amount"]) == (120_300, pytest.approx(1_208_000 * factor))
    assert dict(batch.options)["dialect"] == "tongdaxin_files"


def test_minutes_mark_the_end_of_their_bar(tmp_path: Path) -> None:
    batch = read_csv_files(minute_file(tmp_path / "sz000001.lc5"))
    bar = first(batch)
    assert (bar["time"], batch.freq) == (datetime(2024, 5, 27, 9, 35), "5min")
    assert bar["close"] == pytest.approx(9.38, rel=1e-7)


def test_a_folder_of_them_is_read_and_a_cut_one_refused(tmp_path: Path) -> None:
    for name in ("sh600000.day", "sz000001.day"):
        day_file(tmp_path / name, 100)
    assert read_csv_files(tmp_path).bars["symbol"].n_unique() == 2
    (tmp_path / "sh600004.day").write_bytes(b"x" * 33)
    with pytest.raises(DataError, match=r"sh600004\.day: expected bars of 32 bytes each, found 33 bytes"):
        read_csv_files(tmp_path)
    (tmp_path / "sh600004.day").write_bytes(b"\xff" * 32)
    with pytest.raises(DataError, match=r"bar 1: expected a date, found the number 4294967295"):
        read_csv_files(tmp_path)
