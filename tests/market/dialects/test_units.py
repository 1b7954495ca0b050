"""What volume and amount count is proved from the numbers, in text files and Qlib directories."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made import SHARED

from kronos_quant.errors import ConfigError
from kronos_quant.market.dialects.units import BACKWARD, FORWARD, PAIRS, prove_units
from kronos_quant.market.ingest.klines import ReadOptions
from kronos_quant.market.ingest.qlib_dir import read_qlib_dir
from kronos_quant.market.ingest.tables import read_csv_files

BARS = 40


def made_bars(symbol: str = "SH600000", factor: Any = 1.0) -> pl.DataFrame:
    """Bars whose amount is paid at a price of their own within the range; prices times a factor."""
    rng = np.random.default_rng(5)
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, BARS)))
    low, high = close * 0.985, close * 1.015
    volume = rng.integers(1_000, 100_000, BARS) * 100.0
    paid = rng.uniform(low, high)
    times = [date(2024, 1, 1) + timedelta(days=day) for day in range(BARS)]
    prices = {"open": close * factor, "high": high * factor, "low": low * factor, "close": close * factor}
    return pl.DataFrame({"symbol": symbol, "time": times, **prices, "volume": volume, "amount": volume * paid})


@pytest.mark.parametrize("units", PAIRS)
def test_each_pair_of_units_is_proved(units: tuple[float, float]) -> None:
    bars = made_bars().with_columns(pl.col("volume") / units[0], pl.col("amount") / units[1])
    proof = prove_units(bars)["SH600000"]
    assert (proof.units, proof.bars, proof.adjusted) == (units, BARS, "")


@pytest.mark.parametrize("symbol", ["SH000300", "RB2410.SHFE", "IF2406", "AAPL"])
def test_indices_futures_and_unknown_markets_have_no_signature(symbol: str) -> None:
    assert prove_units(made_bars(symbol).with_columns(pl.col("amount") * 300)) == {}


@pytest.mark.parametrize(("side", "adjusted"), [(slice(0, 25), FORWARD), (slice(15, None), BACKWARD)])
def test_prices_that_fit_at_one_end_only_are_adjusted(side: slice, adjusted: str) -> None:
    factor = np.ones(BARS)
    factor[side] = 0.5 if adjusted == FORWARD else 3.0
    bars = made_bars(factor=factor).with_columns(pl.col("volume") / 100)
    proof = prove_units(bars)["SH600000"]
    assert (proof.units, proof.adjusted) == ((100.0, 1.0), adjusted)


def test_adjusted_prices_that_fit_nowhere_prove_nothing(tmp_path: Path) -> None:
    made_bars(factor=3.7).rename({"time": "date"}).write_csv(tmp_path / "bars.csv")
    batch = read_csv_files(tmp_path / "bars.csv")
    assert any(note.startswith("units not proved") for note in batch.notes)
    assert batch.bars["volume"][0] == made_bars()["volume"][0]


def test_two_symbols_of_one_file_may_count_differently(tmp_path: Path) -> None:
    lots = made_bars("SZ000001").with_columns(pl.col("volume") / 100)
    pl.concat([made_bars(), lots]).rename({"time": "date"}).write_csv(tmp_path / "bars.csv")
    batch = read_csv_files(tmp_path / "bars.csv")
    volumes = batch.bars.partition_by("symbol")
    assert volumes[0]["volume"].equals(volumes[1]["volume"])
    assert dict(batch.options)["volume_unit"] == "several"


def write_qlib(root: Path, units: tuple[float, float], *, raw: bool = False, symbol: str = "sh600000") -> None:
    """A Qlib directory whose factor steps in the middle."""
    factor = np.where(np.arange(BARS) < BARS // 2, 0.01, 0.0125)
    bars = made_bars(factor=factor)
    divided = bars["volume"] / units[0] / (1.0 if raw else pl.Series(factor))
    columns = bars.with_columns(divided.alias("volume"), pl.col("amount") / units[1], factor=pl.Series(factor))
    (root / "calendars").mkdir(parents=True, exist_ok=True)
    (root / "calendars" / "day.txt").write_text("\n".join(map(str, bars["time"])))
    folder = root / "features" / symbol
    folder.mkdir(parents=True)
    for name in ("open", "high", "low", "close", "volume", "amount", "factor"):
        np.array([0, *columns[name]], dtype="<f4").tofile(folder / f"{name}.day.bin")


@pytest.mark.parametrize("units", [(100.0, 1e3), (100.0, 1.0)])
def test_a_qlib_directory_in_lots_is_converted_and_said(tmp_path: Path, units: tuple[float, float]) -> None:
    write_qlib(tmp_path, units)
    batch = read_qlib_dir(tmp_path)
    true = made_bars()
    found = batch.bars.select(pl.col("volume") * pl.col("factor"), "amount")
    assert found["volume"].to_list() == pytest.approx(true["volume"].to_list(), rel=1e-6)
    assert found["amount"].to_list() == pytest.approx(true["amount"].to_list(), rel=1e-6)
    assert "proved by amount / (volume x price) of 1 of 1 symbols" in batch.notes[0]
    assert dict(batch.options)["volume_unit"] == "lots"


@pytest.mark.parametrize("raw", [False, True])
def test_a_qlib_directory_in_shares_stays_bit_for_bit(tmp_path: Path, raw: bool) -> None:
    # raw shares beside prices of a factor near 1/100 look like lots
    write_qlib(tmp_path, (1.0, 1.0), raw=raw)
    batch = read_qlib_dir(tmp_path)
    stored = np.fromfile(tmp_path / "features" / "sh600000" / "volume.day.bin", "<f4")[1:]
    assert batch.bars["volume"].to_numpy().tobytes() == stored.tobytes()
    assert dict(batch.options)["volume_unit"] == "shares"


def test_an_option_decides_the_units_of_a_qlib_directory_of_indices(tmp_path: Path) -> None:
    write_qlib(tmp_path, (100.0, 1e3), symbol="sh000300")
    assert dict(read_qlib_dir(tmp_path).options)["volume_unit"] == "shares"
    batch = read_qlib_dir(tmp_path, units=("lots", "thousand"))
    assert batch.bars["amount"].to_list() == pytest.approx(made_bars()["amount"].to_list(), rel=1e-6)
    with pytest.raises(ConfigError, match=r"volume_unit: expected auto, shares, lots"):
        read_qlib_dir(tmp_path, units=("barrels", "auto"))


EXPECTED = sorted((SHARED / "dialects").glob("*/expected.parquet"))


@pytest.mark.skipif(not EXPECTED, reason="the made files of vendors are in ../shared")
@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.parent.name)
def test_the_shared_files_of_vendors_give_what_they_mean(expected: Path) -> None:
    folder = expected.parent
    if folder.name == "tdx_qfq_negative":
        pytest.skip("additive prices are refused, see test_vendors")
    wanted = pl.read_parquet(expected)
    if folder.name == "qlib_chenditc_units":
        bars = read_qlib_dir(folder / "qlib_bin").bars
    else:
        bars = read_csv_files(folder, ReadOptions()).bars
    if (folder / "intraday").is_dir():
        bars = pl.concat([bars, read_csv_files(folder / "intraday").bars])
    wide = bars.with_columns(pl.col(pl.Float32).cast(pl.Float64))
    raw = wide.with_columns(
        *(pl.col(name) / pl.col("factor") for name in ("open", "high", "low", "close")),
        pl.col("volume") * pl.col("factor"),
    )
    both = wanted.join(raw, on=["symbol", "time"], how="full", suffix="_read")
    assert both.height == wanted.height == raw.height
    for name in ("open", "high", "low", "close", "volume", "amount", "factor"):
        given = both.filter(pl.col(name).is_not_null())
        assert given[f"{name}_read"].fill_null(0).to_list() == pytest.approx(given[name].to_list(), rel=3e-7), name
