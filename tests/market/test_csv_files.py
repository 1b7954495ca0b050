from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from made import SHARED

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import BarBatch, ingest_csv, open_market
from kronos_quant.market.database import open_database
from kronos_quant.market.ingest.klines import ReadOptions
from kronos_quant.market.ingest.tables import read_csv_files
from kronos_quant.schema import BARS

TUTORIAL = """\
timestamps,open,close,high,low,volume,amount
2019/11/26 9:35,182.45,184.45,184.95,182.45,15136000,0
2019/11/26 9:40,184.35,183.85,184.55,183.45,4433300,0
2019/11/26 9:45,183.85,183.05,183.95,182.85,3391300,0
"""


def read(source: Path, **options: Any) -> BarBatch:
    return read_csv_files(source, ReadOptions(**options))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "HK_ali_09988_kline_5min_all.csv"


def test_the_tutorials_file_loads_as_it_stands(file: Path) -> None:
    batch = read(write(file, TUTORIAL))
    assert batch.freq == "5min"
    assert batch.bars.schema == pl.Schema(BARS)
    first = batch.bars.row(0, named=True)
    assert (first["symbol"], first["time"], first["date"]) == (
        "HK09988",
        datetime(2019, 11, 26, 9, 35),
        date(2019, 11, 26),
    )
    assert first["close"] == pytest.approx(184.45)
    # an amount that is 0 throughout is missing: volume x mean of 182.45, 184.95, 182.45, 184.45
    assert first["amount"] == pytest.approx(15136000 * 183.575)
    assert first["factor"] == 1
    assert batch.notes == ("amount missing or 0 throughout: derived as volume x mean price",)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("date,open,high,low,close,vol,amt", ["2024-01-02,1,2,0.5,1.5,10,7", "2024-01-03,1,2,0.5,1.5,10,7"]),
        ("close,low,high,open,AMOUNT,Volume,DateTime", ["1.5,0.5,2,1,7,10,20240102", "1.5,0.5,2,1,7,10,20240103"]),
        (
            "open , high,low,close,volume,amount,time",
            ["1,2,0.5,1.5,10,7,2024/1/2 15:00", "1,2,.5,1.5,10,7,2024/1/3 15:00"],
        ),
        (
            "extra,trade_date,open,high,low,close,volume,amount",
            ["x,2024-01-02,1,2,0.5,1.5,10,7", "x,2024-01-03,1,2,.5,1.5,10,7"],
        ),
    ],
)
def test_columns_come_in_any_order_and_under_their_usual_names(tmp_path: Path, header: str, rows: list[str]) -> None:
    batch = read(write(tmp_path / "aapl.csv", "\n".join([header, *rows])))
    assert batch.freq == "day"
    assert batch.bars.row(0) == ("AAPL", date(2024, 1, 2), datetime(2024, 1, 2), 1, 2, 0.5, 1.5, 10, 7, 1)
    assert batch.sessions == [date(2024, 1, 2), date(2024, 1, 3)]


def test_a_clock_in_its_own_column_is_put_behind_its_date(file: Path) -> None:
    text = "date,time,open,high,low,close\n2024/1/2,9:35,1,2,0.5,1\n2024/1/2,9:40,1,2,0.5,1\n"
    assert read(write(file, text)).bars["time"][1] == datetime(2024, 1, 2, 9, 40)


def test_a_symbol_column_makes_one_file_many_symbols(tmp_path: Path) -> None:
    text = "code,date,open,high,low,close\n600000,2024-01-02,1,2,1,1\n000001.SZ,2024-01-02,1,2,1,1\n"
    batch = read(write(tmp_path / "all.csv", text))
    assert batch.bars["symbol"].to_list() == ["SH600000", "SZ000001"]
    assert batch.instruments["exchange"].to_list() == ["XSHG", "XSHE"]


def test_the_option_names_the_symbol_of_one_file_only(tmp_path: Path, file: Path) -> None:
    write(file, TUTORIAL)
    assert read(file, symbol="600000.SH").bars["symbol"].unique().to_list() == ["SH600000"]
    write(tmp_path / "other.csv", TUTORIAL)
    with pytest.raises(ConfigError, match=r"symbol: given for one file, but .* contains 2"):
        read(tmp_path, symbol="SH600000")


def test_a_folder_gives_one_batch_also_from_compressed_files(tmp_path: Path) -> None:
    write(tmp_path / "sh600000.csv", TUTORIAL)
    (tmp_path / "sz000001.csv.gz").write_bytes(gzip.compress(TUTORIAL.encode()))
    zst = pa.compress(TUTORIAL.encode(), codec="zstd", asbytes=True)
    (tmp_path / "XSHG_5min_600009.csv.zst").write_bytes(zst)
    write(tmp_path / "notes.txt", "not read")
    batch = read(tmp_path)
    assert batch.bars["symbol"].unique().sort().to_list() == ["SH600000", "SH600009", "SZ000001"]
    assert batch.notes == (
        "no amount that would prove the unit of volume: taken as shares (--volume-unit) (3 of 3 files)",
        "amount missing or 0 throughout: derived as volume x mean price (3 of 3 files)",
        "not bars, skipped: 1 file (notes.txt)",
    )


def test_files_of_two_frequencies_do_not_mix(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", TUTORIAL)
    write(tmp_path / "b.csv", "date,open,high,low,close\n2024-01-02,1,1,1,1\n2024-01-03,1,1,1,1\n")
    with pytest.raises(DataError, match=r"expected one frequency, found 5min in a.csv and day in b.csv"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("policy", "expected"), [("derive", [10 * 1.125, 10 * 1.125]), ("zero", [0, 0]), ("as_is", [0, 0])]
)
def test_an_amount_of_0_throughout_is_derived_zeroed_or_kept(file: Path, policy: str, expected: list[float]) -> None:
    text = "date,open,high,low,close,volume,amount\n2024-01-02,1,2,0.5,1,10,0\n2024-01-03,1,2,0.5,1,10,0\n"
    batch = read(write(file, text), amount=policy)
    assert batch.bars["amount"].to_list() == expected
    assert len(batch.notes) == 1


def test_amounts_that_are_there_stay_and_single_missing_ones_are_derived(file: Path) -> None:
    text = "date,open,high,low,close,volume,amount\n2024-01-02,1,2,0.5,1,10,99\n2024-01-03,1,2,0.5,1,10,\n"
    assert read(write(file, text)).bars["amount"].to_list() == [99, 11.25]
    assert read(file, amount="as_is").bars["amount"].to_list() == [99, None]


def test_without_volume_both_volume_and_amount_are_0(file: Path) -> None:
    batch = read(write(file, "date,open,high,low,close\n2024-01-02,1,1,1,1\n"))
    assert batch.bars.select("volume", "amount").row(0) == (0, 0)
    assert batch.notes == ("volume missing: volume and amount set to 0",)


def test_a_factor_column_is_read(file: Path) -> None:
    batch = read(write(file, "date,open,high,low,close,factor\n2024-01-02,1,1,1,1,2.5\n"))
    assert batch.bars["factor"].to_list() == [2.5]


def test_an_offset_is_converted_where_the_exchange_is_known(file: Path) -> None:
    text = "time,open,high,low,close\n2024-06-18T01:35:00Z,1,1,1,1\n2024-06-18T01:40:00Z,1,1,1,1\n"
    assert read(write(file, text)).bars["time"][0] == datetime(2024, 6, 18, 9, 35)  # HK by its name
    other = read(write(file.with_name("btc.csv"), text))
    assert other.bars["time"][0] == datetime(2024, 6, 18, 1, 35)
    assert "times have a UTC offset but the exchange is unknown: kept as written" in other.notes


def test_stamps_counted_from_1970_are_read_in_exchange_time(file: Path) -> None:
    text = "timestamp,open,high,low,close\n1718674500000,1,1,1,1\n1718674800000,1,1,1,1\n"
    assert read(write(file, text)).bars["time"].to_list() == [
        datetime(2024, 6, 18, 9, 35),
        datetime(2024, 6, 18, 9, 40),
    ]


def test_bars_labelled_at_their_start_are_moved_to_their_end(file: Path) -> None:
    stamps = ["9:30", "9:35", "9:40", "11:25", "13:00", "14:55"]
    text = "timestamps,open,high,low,close\n" + "".join(f"2024/6/18 {stamp},1,1,1,1\n" for stamp in stamps)
    file = file.with_name("sh600000.csv")
    given, moved = read(write(file, text)), read(file, labels="start")
    assert [f"{moment:%H:%M}" for moment in moved.bars["time"]] == [
        "09:35",
        "09:40",
        "09:45",
        "11:30",
        "13:05",
        "15:00",
    ]
    assert "bars labelled at their start: stamps moved to their end" in moved.notes
    assert given.bars["time"][0] == datetime(2024, 6, 18, 9, 30)
    assert (dict(given.options)["labels"], dict(moved.options)["labels"]) == ("end", "start")


def test_labels_do_not_move_daily_bars(file: Path) -> None:
    text = "date,open,high,low,close\n2024-01-02,1,1,1,1\n2024-01-03,1,1,1,1\n"
    assert read(write(file, text), labels="start").bars["date"].to_list() == [date(2024, 1, 2), date(2024, 1, 3)]


def test_how_a_source_was_read_is_recorded_with_its_ingest(tmp_path: Path, file: Path) -> None:
    report = ingest_csv(tmp_path / "ws", write(file, TUTORIAL), amount="zero", labels="start")
    with open_database(tmp_path / "ws") as connection:
        recorded = connection.execute("SELECT * FROM ingest_options ORDER BY ALL").fetchall()
    assert recorded == [
        (1, "amount", "zero"),
        (1, "amount_unit", "units"),
        (1, "dialect", "generic"),
        (1, "labels", "start"),
        (1, "prices", "unknown"),
        (1, "volume_unit", "shares"),
    ]
    assert "bars labelled at their start: stamps moved to their end" in report.notes


def test_stamps_outside_the_hours_of_the_exchange_are_reported(tmp_path: Path, file: Path) -> None:
    text = "time,open,high,low,close\n2024-06-18 09:30,1,1,1,1\n2024-06-18 09:35,1,1,1,1\n2024-06-18 9:40,1,1,1,1\n"
    notes = ingest_csv(tmp_path / "ws", write(file, text)).notes
    assert "1 end stamps lie outside the hours of XHKG (first: 2024-06-18 09:30)" in notes
    assert "bars at the opening but none at a close: possibly labelled at their start (--labels start)" in notes


def test_an_intraday_bar_that_ends_at_midnight_belongs_to_the_day_before(file: Path) -> None:
    text = "time,open,high,low,close\n2024-06-18 23:30,1,1,1,1\n2024-06-19 0:00,1,1,1,1\n2024-06-19 0:30,1,1,1,1\n"
    batch = read(write(file.with_name("btc.csv"), text), exchange="24/7")
    assert [on.day for on in batch.bars["date"]] == [18, 18, 19]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header line and rows, found an empty file"),
        ("date,open,high,low,close\n", "expected rows below the header line, found none"),
        (
            "date,open,high,close\n2024-01-02,1,1,1\n",
            "expected the columns timestamps, open, high, low, close; missing low; found date, open, high, close",
        ),
        ("open,high,low,close\n1,1,1,1\n", "missing timestamps; found open, high, low, close"),
        (
            "date,open,high,low,close\n2024-01-02,1,1,1,1\n2024-01-03,1,n.a.?,1,1\n2024-01-04,1,x,1,1\n",
            "line 3: column high: expected a number, found 'n.a.?' (and 1 more lines)",
        ),
        (
            "date,open,high,low,close\n2024-01-02,1,1,1,1\n\n03.01.,1,1,1,1\n",
            "line 4: column date: expected a time like 2019/11/26 9:35, found '03.01.'",
        ),
        ("date,open,high,low,close\n2024-01-02,1,1,1,1,1\n", "line 2: expected 5 cells as in line 1, found 6"),
        (
            "code,date,open,high,low,close\n,2024-01-02,1,1,1,1\n",
            "line 2: column code: expected a symbol, found an empty cell",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_file_line_column_and_value(file: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(write(file, text))
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)


def test_paths_without_csv_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(
        DataError, match=r"expected files that end in \.csv, \.txt, \.tsv, \.json, \.day, \.lc1, \.lc5, found an empty"
    ):
        read(tmp_path)
    write(tmp_path / "bars.xlsx", "")
    with pytest.raises(DataError, match=r"found bars\.xlsx"):
        read(tmp_path)


def test_a_file_in_gb18030_is_read_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "SH600000.csv"
    path.write_bytes("日期,开盘,最高,最低,收盘\n2024-06-18,1,1,1,1\n".encode("gbk"))
    assert read(path).bars["close"].to_list() == [1]
    path.write_bytes(b"date,open,high,low,close\n2024-06-18,1,1,1,\xff\xff\n")
    with pytest.raises(DataError, match=r"SH600000\.csv: line 2: expected text in UTF-8, UTF-16 and GB18030"):
        read(path)


def test_an_unknown_amount_policy_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"amount: expected derive, zero, as_is, found 'guess'"):
        read(write(file, TUTORIAL), amount="guess")


def test_missing_cells_are_rejected_rows_not_errors(tmp_path: Path, file: Path) -> None:
    text = "date,open,high,low,close\n2024-01-02,1,1,1,1\n2024-01-03,,1,1,1\n2024-01-04,nan,,NULL,-\n"
    report = ingest_csv(tmp_path / "ws", write(file, text))
    assert report.rejected_by_rule == {"missing_price": 1}
    assert report.bars == 1  # the third row has no price at all: no bar, a suspension


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the tutorial-form file needs ../shared")
def test_the_real_five_minute_file_loads_whole(tmp_path: Path) -> None:
    report = ingest_csv(tmp_path, SHARED / "data" / "XSHG_5min_600977_seedform.csv")
    assert (report.bars, report.rejected, report.sessions, report.exchange) == (2500, 0, 53, "XSHG")
    market = open_market(tmp_path)
    assert market.freq == "5min"
    future = market.next_times(market.last_time(), 48)
    assert market.last_time() == datetime(2024, 8, 29, 13, 0) or future.times[0] > market.last_time()
    assert future.estimated == [False] * 48
