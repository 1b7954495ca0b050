from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made import ROOT, make_bars, store_unchecked, weekdays

from kronos_quant import files
from kronos_quant.errors import ConfigError, DataError, KronosQuantError
from kronos_quant.files import to_json
from kronos_quant.market import BarBatch, Market, export_bars, ingest_csv, ingest_qlib, open_market
from kronos_quant.market.store import make_instruments
from kronos_quant.schema import PRICES, UNIVERSES

BatchMaker = Callable[..., BarBatch]

PYQLIB = """
import json, sys
import qlib
from qlib.data import D
qlib.init(provider_uri=sys.argv[1], kernels=1, logging_level=50, expression_cache=None, dataset_cache=None)
fields = ["open", "high", "low", "close", "volume", "amount", "factor", "change", "vwap"]
symbols = D.list_instruments(D.instruments("all"), as_list=True)
frame = D.features(symbols, ["$" + name for name in fields], freq="day")
assert set(map(str, frame.dtypes)) == {"float32"}
rows = [[symbol, str(time.date()), *map(float, values)] for (symbol, time), *values in frame.itertuples()]
members = D.list_instruments(D.instruments("csi300"))
print("RESULT" + json.dumps({"rows": rows, "calendar": [str(day.date()) for day in D.calendar()],
                             "csi300": {name: [[str(a.date()), str(b.date())] for a, b in spans]
                                        for name, spans in members.items()}}))
"""


def read_with_pyqlib(folder: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PYQLIB, folder],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=folder.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout.partition("RESULT")[2])
    return told


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stocks of 40 sessions with odd float32 values, factors that step, and suspensions; a universe."""
    sessions = weekdays(40)
    bars = make_bars(["SH600000", "SZ000001", "SZ300750"], sessions)
    rng = np.random.default_rng(1)
    steps = pl.Series(np.where(bars["date"] >= date(2024, 1, 20), 1.337, 0.731) * np.exp(rng.normal()))
    bars = bars.with_columns(pl.col(name).cast(pl.Float64) * steps for name in PRICES).with_columns(
        volume=pl.col("volume").cast(pl.Float64) / steps, factor=steps
    )
    gone = (pl.col("symbol") == "SZ300750") & (
        pl.col("date").is_in(sessions[:3]) | pl.col("date").is_in(sessions[10:15])
    )
    bars = bars.filter(~gone)
    spans = [
        ("csi300", "SH600000", date(2024, 1, 1), date(2024, 1, 31)),
        ("csi300", "SH600000", date(2024, 2, 10), date(2099, 12, 31)),
        ("csi300", "SH600009", date(2024, 1, 1), date(2024, 2, 1)),  # a member without bars
    ]
    root = tmp_path_factory.mktemp("stored")
    store_unchecked(
        root,
        BarBatch(
            source="test",
            path=None,
            freq="day",
            bars=bars,
            instruments=make_instruments(["SH600000", "SZ000001", "SZ300750"], "XSHG"),
            universes=pl.DataFrame(spans, schema=UNIVERSES, orient="row"),
            sessions=sessions,
            exchange="XSHG",
        ),
    )
    return root


@pytest.fixture
def market(tmp_path: Path, stored: Path) -> Market:
    """A copy of `stored` in the test's folder `from`."""
    shutil.copytree(stored, tmp_path / "from")
    return open_market(tmp_path / "from")


def test_parquet_holds_the_stored_bars(tmp_path: Path, market: Market) -> None:
    report = export_bars(market, tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet").equals(market.bars())
    assert report.lines() == [
        f"{tmp_path / 'out.parquet'}: 112 bars of 3 symbols (day), 2024-01-01 to 2024-02-23, as parquet"
    ]
    told = json.loads(to_json(report.as_dict()))
    assert (told["bars"], told["first"], told["notes"]) == (112, "2024-01-01", [])


def test_many_symbols_are_written_part_by_part(tmp_path: Path, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kronos_quant.market.export._SYMBOLS_A_PART", 1)
    for form, out in (("parquet", "out.parquet"), ("csv", "out.csv")):
        assert export_bars(market, tmp_path / out, form).symbols == 3
    assert pl.read_parquet(tmp_path / "out.parquet").equals(market.bars())
    ingest_csv(tmp_path / "to", tmp_path / "out.csv")
    assert open_market(tmp_path / "to").bars().equals(market.bars())


def test_symbols_in_any_spelling_and_a_span_are_cut_out(tmp_path: Path, market: Market) -> None:
    report = export_bars(
        market, tmp_path / "out.parquet", symbols=["600000.SH", "300750"], start=date(2024, 1, 3), end=date(2024, 1, 5)
    )
    bars = pl.read_parquet(tmp_path / "out.parquet")
    assert (report.symbols, report.bars) == (2, 5)  # SZ300750 is listed from the 4th on
    assert bars.equals(market.bars(["SH600000", "SZ300750"], date(2024, 1, 3), date(2024, 1, 5)))


@pytest.mark.parametrize("out", ["out.csv", "out"])
def test_csv_in_one_file_or_a_file_a_symbol_reads_back_bit_for_bit(tmp_path: Path, market: Market, out: str) -> None:
    export_bars(market, tmp_path / out, "csv")
    if out == "out":
        assert sorted(path.name for path in (tmp_path / out).iterdir()) == [
            "SH600000.csv",
            "SZ000001.csv",
            "SZ300750.csv",
        ]
    first = tmp_path / out if out == "out.csv" else tmp_path / out / "SH600000.csv"
    header = first.read_text().splitlines()[0]
    assert header == "timestamps,symbol,open,close,high,low,volume,amount,factor"
    report = ingest_csv(tmp_path / "to", tmp_path / out)
    assert report.rejected == 0
    assert open_market(tmp_path / "to").bars().equals(market.bars())


def test_a_qlib_directory_reads_back_bit_for_bit(tmp_path: Path, market: Market) -> None:
    report = export_bars(market, tmp_path / "qlib", "qlib")
    again = ingest_qlib(tmp_path / "to", tmp_path / "qlib", exchange="XSHG")
    assert (report.bars, again.bars, again.rejected) == (112, 112, 0)
    to = open_market(tmp_path / "to")
    assert to.bars().equals(market.bars())
    assert to.sessions() == market.sessions()
    assert to.universe("csi300").equals(market.universe("csi300"))
    assert (
        to.instruments()
        .select("symbol", "first_date", "last_date")
        .equals(market.instruments().select("symbol", "first_date", "last_date"))
    )


def test_pyqlib_reads_the_exported_directory_bit_for_bit(tmp_path: Path, market: Market) -> None:
    export_bars(market, tmp_path / "qlib", "qlib")
    told = read_with_pyqlib(tmp_path / "qlib")
    assert told["calendar"] == [str(day) for day in market.sessions()]
    assert told["csi300"] == {
        "SH600000": [["2024-01-01", "2024-01-31"], ["2024-02-10", "2024-02-23"]],
        "SH600009": [["2024-01-01", "2024-02-01"]],
    }
    names = ["open", "high", "low", "close", "volume", "amount", "factor", "change", "vwap"]
    read = pl.DataFrame(told["rows"], schema=["symbol", "date", *names], orient="row").with_columns(
        pl.col("date").str.to_date(), pl.col(names).cast(pl.Float32)
    )
    traded = read.filter(pl.col("close").is_not_nan()).sort("symbol", "date")
    stored = ["symbol", "date", *names[:7]]
    assert traded.select(stored).equals(market.bars().select(stored))
    # five suspended sessions: no price, but the factor goes on
    suspended = read.filter(pl.col("close").is_nan())
    assert len(suspended) == 5
    assert suspended["volume"].is_nan().all()
    assert suspended["factor"].is_not_nan().all()


def test_change_is_of_the_adjusted_close_over_the_last_bar_and_vwap_an_adjusted_price(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    # a split into two at the second bar: the raw price halves, the adjusted close goes from 10 to 11
    factor = pl.when(pl.col("close") == 10).then(0.5).otherwise(1.0)
    batch = make_batch({"A": {1: 10, 2: 11, 4: 12.1}, "B": {3: 5}}, factor=factor, amount=pl.col("close") * 101)
    store_unchecked(tmp_path, batch)
    export_bars(open_market(tmp_path), tmp_path / "qlib", "qlib")
    folder = tmp_path / "qlib" / "features" / "a"
    values = {path.name: np.fromfile(path, "<f4").tolist() for path in folder.iterdir()}
    nan = pytest.approx(float("nan"), nan_ok=True)
    assert values["change.day.bin"] == [0, nan, pytest.approx(0.1), nan, pytest.approx(0.1)]
    assert values["close.day.bin"] == [0, 10, 11, nan, pytest.approx(12.1)]
    assert values["factor.day.bin"] == [0, 0.5, 1, 1, 1]
    assert values["vwap.day.bin"] == pytest.approx([0, 10.1, 11.11, float("nan"), 12.221], nan_ok=True)
    assert np.fromfile(tmp_path / "qlib" / "features" / "b" / "close.day.bin", "<f4").tolist() == [2, 5]


def test_where_amount_and_volume_give_no_price_there_is_no_vwap(tmp_path: Path, make_batch: BatchMaker) -> None:
    # volume in lots of 100 shares; no volume at all; one that fits
    batch = make_batch({"LOTS": {1: 10}, "NONE": {1: 10}, "FITS": {1: 10}})
    volume = pl.col("symbol").replace_strict({"LOTS": 1.0, "NONE": 0.0, "FITS": 100.0}, return_dtype=pl.Float64)
    store_unchecked(tmp_path, replace(batch, bars=batch.bars.with_columns(volume=volume)))
    report = export_bars(open_market(tmp_path), tmp_path / "qlib", "qlib")
    assert report.notes == ("no vwap written, because amount / volume is not a price: 2 symbols (LOTS, NONE)",)
    assert [path.parent.name for path in (tmp_path / "qlib" / "features").rglob("vwap.day.bin")] == ["fits"]


def test_a_volume_that_is_not_adjusted_still_gives_an_adjusted_vwap(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = make_batch({"A": {1: 10}}, factor=pl.lit(0.25), amount=pl.lit(4000.0))  # 100 shares at 40
    store_unchecked(tmp_path, replace(batch, unadjusted_volume=("A",)))
    export_bars(open_market(tmp_path), tmp_path / "qlib", "qlib")
    assert np.fromfile(tmp_path / "qlib" / "features" / "a" / "vwap.day.bin", "<f4").tolist() == [0, 10]


def test_a_span_cuts_calendar_and_lists_too(tmp_path: Path, market: Market) -> None:
    export_bars(market, tmp_path / "qlib", "qlib", start=date(2024, 1, 15), end=date(2024, 2, 12))
    calendar = (tmp_path / "qlib" / "calendars" / "day.txt").read_text().splitlines()
    assert (calendar[0], calendar[-1], len(calendar)) == ("2024-01-15", "2024-02-12", 21)
    csi300 = (tmp_path / "qlib" / "instruments" / "csi300.txt").read_text().splitlines()
    assert csi300 == [
        "SH600000\t2024-01-15\t2024-01-31",
        "SH600000\t2024-02-10\t2024-02-12",
        "SH600009\t2024-01-15\t2024-02-01",
    ]
    ingest_qlib(tmp_path / "to", tmp_path / "qlib")
    assert open_market(tmp_path / "to").bars().equals(market.bars(start=date(2024, 1, 15), end=date(2024, 2, 12)))


def test_chosen_symbols_alone_are_listed(tmp_path: Path, market: Market) -> None:
    export_bars(market, tmp_path / "qlib", "qlib", symbols=["SZ000001"])
    assert (tmp_path / "qlib" / "instruments" / "all.txt").read_text() == "SZ000001\t2024-01-01\t2024-02-23\n"
    assert (tmp_path / "qlib" / "instruments" / "csi300.txt").read_text() == ""
    assert [path.name for path in (tmp_path / "qlib" / "features").iterdir()] == ["sz000001"]


def test_intraday_bars_have_a_calendar_of_bar_ends(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = make_batch({"A": {1: 10.1, 2: 11.2}})
    bars = pl.concat([batch.bars.with_columns(pl.col("time").dt.offset_by(at)) for at in ("10h", "10h5m")])
    store_unchecked(tmp_path / "from", replace(batch, freq="5min", bars=bars))
    market = open_market(tmp_path / "from")
    export_bars(market, tmp_path / "qlib", "qlib")
    assert (tmp_path / "qlib" / "calendars" / "5min.txt").read_text().splitlines() == [
        "2024-01-02 10:00:00",
        "2024-01-02 10:05:00",
        "2024-01-03 10:00:00",
        "2024-01-03 10:05:00",
    ]
    ingest_qlib(tmp_path / "to", tmp_path / "qlib", freq="5min")
    assert open_market(tmp_path / "to").bars().equals(market.bars())
    export_bars(market, tmp_path / "out.csv", "csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith("2024-01-02 10:00:00,A,10.1,")


def test_names_that_windows_reserves_are_written_where_pyqlib_looks(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path / "from", make_batch({"CON": {1: 10}, "COM1": {1: 10}, "NA": {1: 10}}))
    market = open_market(tmp_path / "from")
    report = export_bars(market, tmp_path / "qlib", "qlib")
    assert {path.name for path in (tmp_path / "qlib" / "features").iterdir()} == {"_qlib_con", "_qlib_com1", "na"}
    assert report.notes == ("pyqlib reads these symbols as missing values: NA",)
    ingest_qlib(tmp_path / "to", tmp_path / "qlib")
    assert open_market(tmp_path / "to").bars().equals(market.bars())


@pytest.mark.parametrize("form", ["qlib", "csv"])
@pytest.mark.parametrize("symbol", ["../../EVIL", "A\nB", "A/B/C"])
def test_a_symbol_that_leads_elsewhere_is_refused_and_nothing_is_left(
    tmp_path: Path, make_batch: BatchMaker, form: str, symbol: str
) -> None:
    store_unchecked(tmp_path / "from", make_batch({symbol: {1: 10}}))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="cannot be a file name"):
        export_bars(open_market(tmp_path / "from"), tmp_path / "out", form)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_existing_place_is_refused(tmp_path: Path, market: Market) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="out: exists; an export never overwrites"):
        export_bars(market, tmp_path / "out", "qlib")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unknown_format_is_refused(tmp_path: Path, market: Market) -> None:
    with pytest.raises(ConfigError, match="format: expected parquet, csv, qlib, found 'xlsx'"):
        export_bars(market, tmp_path / "out", "xlsx")


@pytest.mark.parametrize("form", ["parquet", "csv", "qlib"])
def test_an_empty_selection_is_refused_and_nothing_is_left(tmp_path: Path, market: Market, form: str) -> None:
    with pytest.raises(DataError, match="out: nothing to export: no bars of these symbols between these dates"):
        export_bars(market, tmp_path / "out", form, start=date(2030, 1, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["from"]
    with pytest.raises(DataError, match="unknown symbol 'NOBODY'"):
        export_bars(market, tmp_path / "out", form, symbols=["NOBODY"])


def test_a_full_disk_leaves_nothing(tmp_path: Path, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kronos_quant.market.export._write_lists", full)
    with pytest.raises(Exception, match="cannot write: no space left on the disk"):
        export_bars(market, tmp_path / "qlib", "qlib")
    assert [path.name for path in tmp_path.iterdir()] == ["from"]


STUCK = """
import sys, time
from pathlib import Path
from kronos_quant.market import export_bars, open_market
from kronos_quant.market import export

def stuck(path, parts):
    path.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)

export._write_parquet = stuck
export_bars(open_market(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_what_a_killed_export_left_is_removed_by_the_next_one_and_a_living_one_is_left_alone(
    tmp_path: Path, market: Market
) -> None:
    out = tmp_path / "out.parquet"
    export_bars(market, tmp_path / "b-out.parquet")
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, tmp_path / "from", out], stdout=subprocess.PIPE, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"writing\n"
        with pytest.raises(KronosQuantError, match=r"out\.parquet: another export is writing it"):
            export_bars(market, out)
        other.kill()
    assert len(list(tmp_path.glob(".partial-*-out.parquet"))) == 1
    files._swept.discard(tmp_path)  # as in another process than the one that was refused
    export_bars(market, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b-out.parquet", "from", "out.parquet"]
    assert pl.read_parquet(out).equals(market.bars())
