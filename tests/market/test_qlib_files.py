from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kronos_quant.errors import DataError
from kronos_quant.market.ingest.qlib_files import read_bin

NAN = float("nan")
LENGTH = 10  # sessions of the calendar


def write(path: Path, *numbers: float, dtype: str = "<f4") -> Path:
    np.array(numbers).astype(dtype).tofile(path)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "close.day.bin"


def test_the_first_number_is_the_place_in_the_calendar(file: Path) -> None:
    series = read_bin(write(file, 3, 10.5, NAN, 11), LENGTH)
    assert (series.start, series.end) == (3, 6)
    assert series.values.dtype == np.float32
    assert np.array_equal(series.values, np.array([10.5, NAN, 11], dtype="f4"), equal_nan=True)


def test_a_series_may_fill_the_whole_calendar(file: Path) -> None:
    assert read_bin(write(file, 0, *range(1, 11)), LENGTH).end == LENGTH


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a start index and values, found 0 bytes"),
        (np.array([2], dtype="<f4").tobytes(), "expected a start index and values, found 4 bytes"),
        (np.array([0, 1, 2], dtype="<f4").tobytes()[:-1], r"expected a multiple of 4 bytes \(float32\), found 11"),
        (
            np.array([0.5, 1], dtype="<f4").tobytes(),
            "expected a start index from 0 to 9 in the first 4 bytes, found 0.5",
        ),
        (np.array([-1, 1], dtype="<f4").tobytes(), "start index from 0 to 9 in the first 4 bytes, found -1"),
        (np.array([10, 1], dtype="<f4").tobytes(), "start index from 0 to 9 in the first 4 bytes, found 10"),
        (np.array([NAN, 1], dtype="<f4").tobytes(), "in the first 4 bytes, found nan"),
        (np.array([8, 1, 2, 3], dtype="<f4").tobytes(), "at most 2 values after session 8 of the calendar, found 3"),
    ],
)
def test_a_damaged_file_is_refused_with_expected_and_found(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_bin(file, LENGTH)
    assert str(caught.value).startswith(str(file))


@pytest.mark.parametrize("start", [0, 1, 3, 700])
@pytest.mark.parametrize("seed", range(5))
def test_float64_prices_are_told_from_float32_ones(file: Path, start: int, seed: int) -> None:
    prices = np.random.default_rng(seed).uniform(1, 100, 200)
    with pytest.raises(DataError, match="expected float32 values, found float64"):
        read_bin(write(file, start, *prices, dtype="<f8"), 1000)
    assert len(read_bin(write(file, start, *prices), 1000).values) == 200


def test_float64_values_that_were_float32_before_are_told_too(file: Path) -> None:
    prices = np.random.default_rng(0).uniform(1, 100, 50).astype("f4")
    with pytest.raises(DataError, match="found float64"):
        read_bin(write(file, 0, *prices, dtype="<f8"), 1000)


def test_float64_volumes_in_whole_shares_are_told(file: Path) -> None:
    with pytest.raises(DataError, match="found float64"):
        read_bin(write(file, 0, 1200, 3500, 100, dtype="<f8"), 1000)


@pytest.mark.parametrize(
    "values",
    [
        (0.0, 0.0, 0.0),  # the volume of an index
        (2.0, 2.0, 4.0),  # reads as a plausible float64 start index, too
        (0.0, 5.0, 0.0, 7.0, 0.0),
        (NAN, NAN, NAN),
        (1.0, -2.0, 3.0),
    ],
)
def test_odd_float32_series_are_not_mistaken_for_float64(file: Path, values: tuple[float, ...]) -> None:
    assert np.array_equal(read_bin(write(file, 0, *values), LENGTH).values, np.array(values, "f4"), equal_nan=True)


def test_random_float32_series_are_never_refused(file: Path) -> None:
    rng = np.random.default_rng(1)
    for length in range(1, 200):
        values = rng.lognormal(2, 3, length)
        values[rng.random(length) < 0.2] = NAN
        assert len(read_bin(write(file, 0, *values), 200).values) == length
