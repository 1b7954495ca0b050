from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from made import SHARED

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import ingest_qlib, open_market
from kronos_quant.market.ingest.qlib_dir import read_qlib_dir
from kronos_quant.market.ingest.qlib_files import read_calendar, read_lists
from kronos_quant.market.quality.checks import read_rejected
from kronos_quant.schema import BARS

if TYPE_CHECKING:
    from conftest import QlibDir

NAN = float("nan")


def column(bars: pl.DataFrame, symbol: str, name: str) -> list[float | None]:
    return bars.filter(pl.col("symbol") == symbol)[name].to_list()


def dates(bars: pl.DataFrame, symbol: str) -> list[int]:
    """Days of January 2024."""
    return [on.day for on in bars.filter(pl.col("symbol") == symbol)["date"]]


def flip(path: Path, byte: int) -> None:
    """Invert one byte of a file."""
    content = bytearray(path.read_bytes())
    content[byte] ^= 0xFF
    path.write_bytes(content)


def test_bars_stand_on_the_sessions_their_start_index_tells(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12], start=1)
    batch = read_qlib_dir(qlib_dir.path)
    assert batch.bars.schema == pl.Schema(BARS)
    assert dates(batch.bars, "SH600000") == [3, 4, 5]
    assert column(batch.bars, "SH600000", "close") == [10, 11, 12]
    assert column(batch.bars, "SH600000", "open") == [9.5, 10.5, 11.5]
    assert batch.bars["time"].to_list()[0] == datetime(2024, 1, 3)
    assert batch.sessions == [date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 5)]
    assert "2 sessions of the calendar before the first or after the last bar" in batch.notes


@pytest.mark.parametrize("folder", ["sh600000", "SH600000", "Sh600000", "600000.sh"])
def test_feature_folders_load_in_either_case(qlib_dir: QlibDir, folder: str) -> None:
    qlib_dir.stock(folder, [10, 11, 12, 13, 14])
    assert read_qlib_dir(qlib_dir.path).bars["symbol"].unique().to_list() == ["SH600000"]


def test_suspended_days_have_no_bar_but_are_sessions(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, NAN, NAN, 13, 14], volume=[100, 0, NAN, 100, 100])
    batch = read_qlib_dir(qlib_dir.path)
    assert dates(batch.bars, "SH600000") == [2, 5, 8]
    assert len(batch.sessions) == 5


def test_fields_that_are_not_there_are_derived_and_told(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12, 13, 14], factor=[])
    qlib_dir.stock("sh600004", [10, 11, 12, 13, 14], volume=[])
    batch = read_qlib_dir(qlib_dir.path)
    # mean of open, high, low, close: 9.5, 11, 9, 10
    assert column(batch.bars, "SH600000", "amount")[0] == 100 * 9.875
    assert column(batch.bars, "SH600000", "factor") == [1] * 5
    assert column(batch.bars, "SH600004", "volume") == [0] * 5
    assert column(batch.bars, "SH600004", "amount") == [0] * 5
    assert "no factor, set to 1: 1 symbol (SH600000)" in batch.notes
    assert "no volume file, volume set to 0: 1 symbol (SH600004)" in batch.notes
    assert any(note.startswith("amount derived") for note in batch.notes)


def test_an_amount_that_is_there_is_kept_and_extra_fields_are_ignored(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11], amount=[777, 888], vwap=[1, 1], change=[NAN, 99], adjclose=[1, 1])
    assert column(read_qlib_dir(qlib_dir.path).bars, "SH600000", "amount") == [777, 888]


def test_a_factor_with_holes_is_carried_over_them(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12, 13, 14], factor=[NAN, 2, NAN, 3, NAN])
    batch = read_qlib_dir(qlib_dir.path)
    assert column(batch.bars, "SH600000", "factor") == [2, 2, 2, 3, 3]
    assert "factor has gaps, filled forward: 1 symbol (SH600000)" in batch.notes


def test_fields_of_unequal_length_are_aligned_and_told(tmp_path: Path, qlib_dir: QlibDir) -> None:
    days = [f"2024-{month:02}-{day:02}" for month in (1, 2) for day in range(1, 21)]
    qlib_dir.calendar(days).stock("sh600000", list(range(10, 50)), volume=[1] * 38)
    qlib_dir.bin("sh600000", "amount", 2, [5] * 38)
    batch = read_qlib_dir(qlib_dir.path)
    volumes = batch.bars["volume"].fill_nan(None).to_list()
    assert volumes[36:] == [1, 1, None, None]
    # derived before the file begins: volume 1 x mean of 10.5, 12, 10, 11
    assert batch.bars["amount"].to_list()[1:3] == [10.875, 5]
    assert any("files of one symbol differ in length" in note for note in batch.notes)
    assert ingest_qlib(tmp_path, qlib_dir.path).bars == 40


def test_a_file_that_lost_its_end_is_refused(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12, 13, 14])
    qlib_dir.bin("sh600000", "close", 0, [10, 11, 12])
    with pytest.raises(DataError) as caught:
        read_qlib_dir(qlib_dir.path)
    assert str(caught.value) == (
        f"{qlib_dir.path}/features/sh600000/close.day.bin: truncated: expected values up to session 4 of the calendar "
        "as in open.day.bin, found the last at 2"
    )


def test_a_torn_file_leaves_the_store_as_it_was(tmp_path: Path, qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12, 13, 14])
    ingest_qlib(tmp_path, qlib_dir.path)
    before = open_market(tmp_path).snapshot
    torn = qlib_dir.bin("sh600000", "close", 0, [10, 11, 12, 13, 99])
    torn.write_bytes(torn.read_bytes()[:-2])
    with pytest.raises(DataError, match=r"close.day.bin: expected a multiple of 4 bytes"):
        ingest_qlib(tmp_path, qlib_dir.path)
    assert open_market(tmp_path).snapshot == before


def test_a_symbol_without_all_four_prices_is_skipped_and_told(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11]).stock("sh600004", [10, 11], open=[])
    batch = read_qlib_dir(qlib_dir.path)
    assert batch.bars["symbol"].unique().to_list() == ["SH600000"]
    assert "no file for open, high, low or close, skipped: 1 symbol (SH600004)" in batch.notes


def test_where_no_symbol_has_all_four_prices_the_refusal_says_what_is_missing(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11], high=[]).stock("sh600004", [10, 11], open=[])
    expected = (
        r"expected open, high, low, close for each symbol, found 2 symbols without one of them \(SH600000, SH600004\)"
    )
    with pytest.raises(DataError, match=expected):
        read_qlib_dir(qlib_dir.path)


def test_two_folders_for_one_symbol_are_refused(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11]).stock("SH600000", [10, 11])
    with pytest.raises(DataError, match=r"two folders for SH600000: "):
        read_qlib_dir(qlib_dir.path)


def test_names_that_windows_reserves_lose_pyqlibs_prefix(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("_qlib_con", [10, 11])
    assert read_qlib_dir(qlib_dir.path).bars["symbol"].unique().to_list() == ["CON"]


def test_all_txt_gives_listings_and_the_other_lists_universes(tmp_path: Path, qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12, 13, 14]).stock("sh600004", [10, 11, 12]).stock("sh000300", [3, 3, 3, 3, 3])
    qlib_dir.text(
        "instruments/all.txt",
        "SH600000\t2024-01-02\t2099-12-31\nSH600004\t2024-01-02\t2024-01-04\nSH600009\t2023-01-02\t2023-06-30\n"
        "SH000300\t2024-01-02\t2024-01-08\n",
    )
    qlib_dir.text(
        "instruments/CSI300.txt",
        "sh600000\t2024-01-02\t2024-01-03\textra\nSH600000\t2024-01-08\t2024-01-08\nSH600009\t2023-01-02\t2023-06-30\n",
    )
    report = ingest_qlib(tmp_path, qlib_dir.path)
    market = open_market(tmp_path)
    assert market.universe_names() == ["all", "csi300", "indices"]
    assert market.members("csi300", date(2024, 1, 3)) == ["SH600000"]
    assert market.members("csi300", date(2024, 1, 4)) == []
    assert market.members("csi300", date(2023, 3, 1)) == ["SH600009"]
    assert market.members("all", date(2024, 1, 4)) == ["SH600000", "SH600004"]
    assert market.members("all", date(2024, 1, 5)) == ["SH600000"]
    assert market.instruments().filter(pl.col("kind") == "index")["symbol"].to_list() == ["SH000300"]
    assert market.exchange == "XSHG"
    assert "in instruments/ but without bars: 1 symbol (SH600009)" in report.notes


def test_an_untraded_name_in_no_universe_is_an_index(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("aaa", [10, 11]).stock("bench", [10, 11], volume=[0, NAN]).stock("idle", [5, 6], volume=[0, 0])
    span = "2024-01-02\t2024-01-03"
    qlib_dir.text("instruments/all.txt", f"AAA\t{span}\nBENCH\t{span}\nIDLE\t{span}\n")
    qlib_dir.text("instruments/top.txt", f"AAA\t{span}\nIDLE\t{span}\n")
    kinds = dict(read_qlib_dir(qlib_dir.path).instruments.select("symbol", "kind").iter_rows())
    assert kinds == {"AAA": None, "BENCH": "index", "IDLE": None}


def test_intervals_that_end_before_they_begin_are_left_out_and_told(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("aaa", [10, 11]).text("instruments/top.txt", "AAA\t2024-01-03\t2024-01-02\n")
    batch = read_qlib_dir(qlib_dir.path)
    assert batch.universes.is_empty()
    assert "an interval in instruments/ ends before it begins, ignored: 1 symbol (AAA)" in batch.notes


@pytest.mark.parametrize(
    "row", ["SH600000", "SH600000,2024-01-02,2024-01-03", "symbol\tstart\tend", "A\t2024-13-01\t-"]
)
def test_a_bad_row_of_a_list_is_refused_with_file_and_line(qlib_dir: QlibDir, row: str) -> None:
    qlib_dir.text("instruments/all.txt", f"SH600004\t2024-01-02\t2024-01-03\n{row}\n")
    with pytest.raises(DataError, match=r"all.txt: line 2: expected SYMBOL<tab>first date<tab>last date, found '"):
        read_lists(qlib_dir.path / "instruments")


def test_lists_are_optional_and_blank_lines_do_not_matter(qlib_dir: QlibDir) -> None:
    assert read_lists(qlib_dir.path / "instruments").is_empty()
    qlib_dir.text("instruments/all.txt", "\nSH600004\t2024-01-02 00:00:00\t2024-01-03\n\n")
    assert read_lists(qlib_dir.path / "instruments").rows() == [("all", "SH600004", date(2024, 1, 2), date(2024, 1, 3))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "day.txt: expected one date per line, found an empty file"),
        ("2024-01-02\n2024-01-02\n", "day.txt: line 2: expected ascending dates, but 2024-01-02 is repeated"),
        (
            "2024-01-03\n2024-01-02\n",
            "day.txt: line 2: expected ascending dates, but 2024-01-02 comes after 2024-01-03",
        ),
        ("2024-01-02\nfoo\n", "day.txt: line 2: expected a date like 2024-06-18, found 'foo'"),
        ("2024-01-02\n\n2024-01-03\n", "day.txt: line 2: expected a date like 2024-06-18, found ''"),
    ],
)
def test_a_bad_calendar_is_refused_with_its_line(qlib_dir: QlibDir, text: str, message: str) -> None:
    qlib_dir.text("calendars/day.txt", text)
    with pytest.raises(DataError) as caught:
        read_calendar(qlib_dir.path / "calendars", "day")
    assert message in str(caught.value)


def test_a_frequency_without_a_calendar_names_those_there_are(qlib_dir: QlibDir) -> None:
    with pytest.raises(DataError, match=r"5min.txt: no such calendar: found day.txt"):
        read_qlib_dir(qlib_dir.path, "5min")


def test_intraday_directories_keep_the_calendars_stamps(tmp_path: Path) -> None:
    root = tmp_path / "features" / "sh600000"
    root.mkdir(parents=True)
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "5min.txt").write_text("2024-01-02 09:35:00\n2024-01-02 09:40:00\n2024-01-03 09:35:00\n")
    for field in ("open", "high", "low", "close"):
        pl.Series([0, 5, 5, 5], dtype=pl.Float32).to_numpy().tofile(root / f"{field}.5min.bin")
    batch = read_qlib_dir(tmp_path, "5min")
    assert batch.bars["time"].to_list()[1] == datetime(2024, 1, 2, 9, 40)
    assert batch.sessions == [date(2024, 1, 2), date(2024, 1, 3)]


def test_an_unknown_exchange_is_refused_before_reading(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"exchange 'NASDAQ' has no calendar"):
        read_qlib_dir(tmp_path / "nowhere", exchange="NASDAQ")


def test_a_directory_in_which_nothing_is_found_is_refused(tmp_path: Path, qlib_dir: QlibDir) -> None:
    with pytest.raises(DataError, match="no such directory"):
        read_qlib_dir(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"not a Qlib directory: expected calendars/ and features/, found nothing"
    ) as caught:
        read_qlib_dir(tmp_path / "empty")
    assert "kq ingest qlib" in str(caught.value.hint)
    with pytest.raises(
        DataError, match=r"no bars: expected files like sh600000/close.day.bin .* found none in 0 folders"
    ):
        read_qlib_dir(qlib_dir.path)
    qlib_dir.stock("sh600000", [NAN, NAN])
    with pytest.raises(DataError, match=r"no bars: .* found none in 1 folders"):
        read_qlib_dir(qlib_dir.path)


def test_each_frequency_of_a_directory_is_read_by_its_own_files(tmp_path: Path, qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12, 13, 14])
    qlib_dir.text("calendars/1min.txt", "2024-01-02 09:31:00\n2024-01-02 09:32:00\n")
    qlib_dir.text("calendars/5min.txt", "2024-01-02 09:35:00\n2024-01-02 09:40:00\n2024-01-02 09:45:00\n")
    for freq, values in (("1min", [0, 1, 2]), ("5min", [1, 3, 4])):
        for name in ("open", "high", "low", "close"):
            pl.Series(values, dtype=pl.Float32).to_numpy().tofile(
                qlib_dir.path / f"features/sh600000/{name}.{freq}.bin"
            )
    for freq, bars in (("day", 5), ("1min", 2), ("5min", 2)):
        assert ingest_qlib(tmp_path, qlib_dir.path, freq=freq).added == bars
    assert open_market(tmp_path, "5min").bars()["time"].to_list()[0] == datetime(2024, 1, 2, 9, 40)
    assert open_market(tmp_path).freq == "day"


def test_a_calendar_of_starts_is_moved_to_the_bars_ends(qlib_dir: QlibDir) -> None:
    qlib_dir.text("calendars/30min.txt", "2024-01-02 09:30:00\n2024-01-02 11:00:00\n2024-01-02 14:30:00\n")
    (qlib_dir.path / "features/sh600000").mkdir()
    for name in ("open", "high", "low", "close"):
        pl.Series([0, 5, 5, 5], dtype=pl.Float32).to_numpy().tofile(
            qlib_dir.path / f"features/sh600000/{name}.30min.bin"
        )
    batch = read_qlib_dir(qlib_dir.path, "30min", labels="start")
    assert [f"{moment:%H:%M}" for moment in batch.bars["time"]] == ["10:00", "11:30", "15:00"]
    assert batch.options[:2] == (("labels", "start"), ("volume", "assumed adjusted"))
    with pytest.raises(ConfigError, match="labels: expected end or start, found 'close'"):
        read_qlib_dir(qlib_dir.path, "30min", labels="close")


def test_an_amount_of_0_throughout_is_missing(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11], amount=[0, 0]).stock("sh600004", [10, 11], amount=[0, 5])
    batch = read_qlib_dir(qlib_dir.path)
    assert column(batch.bars, "SH600000", "amount") == [987.5, 1087.5]  # 100 x mean of 9.5, 11, 9, 10 and one more
    assert column(batch.bars, "SH600004", "amount") == [0, 5]


def test_a_volume_that_is_not_adjusted_is_noticed_and_kept(tmp_path: Path, qlib_dir: QlibDir) -> None:
    # a split two for one before the fourth session: raw closes 40, 42, 44, 23, 24, factor 0.5 and then 1
    adjusted, factor = [20, 21, 22, 23, 24], [0.5, 0.5, 0.5, 1, 1]
    prices = {name: [value + step for value in adjusted] for name, step in (("open", 0), ("high", 1), ("low", -1))}
    volume, amount = [100, 110, 90, 200, 220], [4000, 4620, 3960, 4600, 5280]
    qlib_dir.stock("sh600000", adjusted, factor=factor, volume=volume, amount=amount, **prices)
    qlib_dir.stock("sh600004", adjusted, factor=factor, volume=volume, **prices)
    report = ingest_qlib(tmp_path, qlib_dir.path)
    assert "volume is raw, not adjusted (evidence from 1 of 1 symbols)" in report.notes
    raw = (
        open_market(tmp_path).connect().sql("SELECT symbol, close, volume, amount FROM raw_bars ORDER BY symbol, time")
    )
    assert raw.fetchall()[:2] == [("SH600000", 40, 100, 4000), ("SH600000", 42, 110, 4620)]
    # derived from raw volume and raw mean price: (20 + 21 + 19 + 20) / 4 / 0.5
    assert raw.fetchall()[5] == ("SH600004", 40, 100, 4000)
    assert column(open_market(tmp_path).bars(), "SH600000", "volume") == volume


def test_an_adjusted_volume_comes_back_raw_through_the_view(tmp_path: Path, qlib_dir: QlibDir) -> None:
    factor = [0.5, 0.5, 0.5, 1, 1]
    qlib_dir.stock(
        "sh600000", [20, 21, 22, 23, 24], factor=factor, volume=[200, 220, 180, 200, 220],
        amount=[4000, 4620, 3960, 4600, 5280],
    )  # fmt: skip
    batch = read_qlib_dir(qlib_dir.path)
    assert (dict(batch.options)["volume"], batch.unadjusted_volume) == ("adjusted", ())
    ingest_qlib(tmp_path, qlib_dir.path)
    raw = open_market(tmp_path).connect().sql("SELECT volume FROM raw_bars ORDER BY time").fetchall()
    assert raw == [(100,), (110,), (90,), (200,), (220,)]


@pytest.mark.parametrize("changes", [[0.01, -0.02, 0, 0, 0], [1, -2, 0, 0, 0]])
def test_change_as_a_fraction_or_in_percent_is_not_read(qlib_dir: QlibDir, changes: list[float]) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12, 13, 14])
    without = read_qlib_dir(qlib_dir.path).bars
    qlib_dir.bin("sh600000", "change", 0, changes)
    assert read_qlib_dir(qlib_dir.path).bars.equals(without)


def test_a_file_that_sits_elsewhere_in_the_calendar_than_its_peers_is_refused(qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12], start=0)
    qlib_dir.bin("sh600000", "close", 2, [10, 11, 12])
    with pytest.raises(DataError) as caught:
        read_qlib_dir(qlib_dir.path)
    assert str(caught.value) == (
        f"{qlib_dir.path}/features/sh600000/close.day.bin: expected session 0 of the calendar in the first 4 bytes as "
        "in the symbol's other files of the same length; found 2"
    )


# The format holds no checksum: what a flipped byte makes of a number is all there is to notice it by.
def test_a_flipped_sign_byte_of_a_price_is_rejected(tmp_path: Path, qlib_dir: QlibDir) -> None:
    flips = [(field, session) for field in ("open", "high", "low", "close") for session in range(5)]
    for number, (field, session) in enumerate(flips):
        name = f"sh6000{number:02}"
        qlib_dir.stock(name, [10, 11, 12, 13, 14])
        flip(qlib_dir.path / f"features/{name}/{field}.day.bin", 4 * (1 + session) + 3)
    report = ingest_qlib(tmp_path, qlib_dir.path)
    assert (report.bars, report.rejected) == (4 * len(flips), len(flips))
    market = open_market(tmp_path)
    rejected = read_rejected(market.snapshot.folder, "day").sort("symbol")
    assert rejected.select("symbol", "date").rows() == [
        (f"SH6000{number:02}", market.sessions()[session]) for number, (_, session) in enumerate(flips)
    ]


@pytest.mark.parametrize("byte", [1, 2, 3])
def test_a_flipped_byte_of_the_start_index_is_refused(qlib_dir: QlibDir, byte: int) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12], start=1)
    flip(qlib_dir.path / "features/sh600000/close.day.bin", byte)
    with pytest.raises(DataError, match=r"close.day.bin: expected a start index from 0 to 4 in the first 4 bytes"):
        read_qlib_dir(qlib_dir.path)


def test_a_flipped_low_byte_passes_in_a_new_store_and_is_a_restatement_in_an_old_one(
    tmp_path: Path, qlib_dir: QlibDir
) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12, 13, 14])
    ingest_qlib(tmp_path / "old", qlib_dir.path)
    flip(qlib_dir.path / "features/sh600000/close.day.bin", 4 * 3)
    assert ingest_qlib(tmp_path / "new", qlib_dir.path).rejected == 0  # 12.0002: within the bar
    again = ingest_qlib(tmp_path / "old", qlib_dir.path)
    assert (again.added, again.changed, again.unchanged) == (0, 1, 4)


@pytest.mark.skipif(not (SHARED / "tools").is_dir(), reason="the made directory needs ../shared")
@pytest.mark.parametrize("case", [[], ["--upper"]])
def test_a_directory_of_real_us_bars_loads_with_its_bad_rows_counted(tmp_path: Path, case: list[str]) -> None:
    source, root = tmp_path / "sp500", tmp_path / "workspace"
    tool, data = SHARED / "tools" / "make_qlib_dir.py", SHARED / "data" / "sp500_5yr.parquet"
    subprocess.run([sys.executable, tool, data, source, "--limit", "60", *case], check=True, capture_output=True)
    report = ingest_qlib(root, source, exchange="XNYS")
    market = open_market(root)
    assert (report.symbols, report.sessions) == (61, 1259)
    assert (
        report.bars + report.rejected
        == pl.scan_parquet(data)
        .filter(pl.col("symbol").is_in(market.members("sp500", date(2018, 2, 7))))
        .select(pl.len())
        .collect()
        .item()
        + 1259
    )
    assert market.benchmark() == "EW_INDEX"
    assert market.next_times(datetime(2018, 2, 7), 3).times[-1] == datetime(2018, 2, 12)


@pytest.mark.skipif(not (SHARED / "fixtures" / "qlib_golden").is_dir(), reason="the golden directory needs ../shared")
def test_the_golden_directory_equals_its_panel(tmp_path: Path) -> None:
    import numpy as np

    source = SHARED / "fixtures" / "qlib_golden" / "qlib_data"
    panel = np.load(source / "panel.npz")
    bars = read_qlib_dir(source).bars
    symbols, days = panel["sym"].tolist(), panel["cal"].tolist()
    for name in ("open", "high", "low", "close", "volume", "factor"):
        ours = np.full((len(days), len(symbols)), np.nan, dtype=np.float32)
        for symbol, on, value in bars.select("symbol", "date", name).iter_rows():
            if symbol in symbols:
                ours[days.index(str(on)), symbols.index(symbol)] = np.nan if value is None else value
        traded = ~np.isnan(panel["close"])
        assert np.array_equal(ours[traded], panel[name][traded], equal_nan=True), name
        assert np.isnan(ours[~traded]).all()
