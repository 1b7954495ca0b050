from datetime import datetime

import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.market import open_market
from kronos_quant.signals import Recipe, SignalStore
from kronos_quant.signals.importing import read_external, store_external
from kronos_quant.signals.recipe import resolve_imported


@pytest.fixture
def market(trained_workspace):
    return open_market(trained_workspace.root)


@pytest.fixture
def store(tmp_path):
    recipe = resolve_imported(Recipe(imported="mine", score="score"), "all", "day", "mine")
    return SignalStore(tmp_path / "store", recipe)


@pytest.fixture
def table(tmp_path):
    def write(rows, header="date,symbol,score"):
        path = tmp_path / "mine.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return write


def test_csv_and_parquet_give_the_same_and_the_spelling_is_ours(market, table, tmp_path):
    path = table(["2025-06-05,made0002,0.5", "2025-06-04,MADE0001,-1"])
    found = read_external(path, market)
    assert found.frame.rows() == [
        (datetime(2025, 6, 4).date(), datetime(2025, 6, 4), "MADE0001", -1.0),
        (datetime(2025, 6, 5).date(), datetime(2025, 6, 5), "MADE0002", 0.5),
    ]
    pl.read_csv(path, try_parse_dates=True).write_parquet(tmp_path / "same.bin")
    assert read_external(tmp_path / "same.bin", market).frame.equals(found.frame)
    qlib = table(["2025-06-05 00:00:00,MADE0002,0.5", "2025-06-04 00:00:00,MADE0001,-1"], "datetime,instrument,score")
    assert read_external(qlib, market).frame.equals(found.frame)


def test_the_stamp_of_the_last_bar_seen_tells_the_session(market, table):
    found = read_external(table(["2025-06-05T15:00:00,MADE0001,1"], "asof,symbol,score"), market).frame
    assert found.row(0)[:2] == (datetime(2025, 6, 5).date(), datetime(2025, 6, 5, 15))


def test_columns_without_numbers_are_left_out_and_named(market, table):
    found = read_external(table(["2025-06-05,MADE0001,steel,1,2"], "date,symbol,industry,score,q5"), market)
    assert found.frame.columns == ["date", "asof", "symbol", "score", "q5"]
    assert found.lines()[-1] == "dropped: columns without numbers: industry"
    assert found.as_dict()["without_numbers"] == ["industry"]


def test_what_is_left_out_is_counted(market, table):
    rows = ["2025-06-05,MADE0001,1", "2025-06-05,MADE0002,nan", "2025-06-05,MADE0003,", "2025-06-05,NOBODY,1",
            "2025-06-05,ELSE,2", "2025-06-07,MADE0001,1"]  # fmt: skip
    found = read_external(table(rows), market)
    assert found.frame.height == 1
    told = found.as_dict()
    assert [told[name] for name in ("not_finite", "unknown_rows", "unknown_symbols", "no_session")] == [
        2,
        2,
        ["ELSE", "NOBODY"],
        1,
    ]
    assert found.lines()[0].startswith("1 signal of 1 symbol on 1 session from 2025-06-05 to 2025-06-05, ranked by")
    assert len(found.lines()) == 4
    assert found.as_dict()["columns"] == ["score"]


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        ("date,symbol,score,q50,q500", ["2025-06-05,MADE0001,1,2,3"], "q50 and q500 are the same quantile"),
        ("date,symbol,score,q05,q50", ["2025-06-05,MADE0001,1,2,1"], "q05 is above q50 in 1 rows, the first of MADE"),
        ("date,symbol,score", ["2025-06-07,MADE0001,1"], "none of 1 score is of a session of the data"),
    ],
)
def test_a_table_that_cannot_be_imported_is_one_clear_line(market, table, header, lines, message):
    with pytest.raises(DataError) as caught:
        read_external(table(lines, header), market)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_later_sessions_are_added_and_overlapping_ones_refused_or_replaced(market, table, store):
    def bring(*lines, replace=False):
        return store_external(store, read_external(table(lines), market), replace=replace)

    assert bring("2025-06-03,MADE0001,1", "2025-06-04,MADE0001,1") == 0
    assert bring("2025-06-05,MADE0001,1") == 0
    before = (store.folder / "imported.parquet").read_bytes()
    with pytest.raises(DataError, match="mine: 1 session already imported: 2025-06-05") as caught:
        bring("2025-06-02,MADE0001,9", "2025-06-05,MADE0001,9")
    assert caught.value.hint == "Add --replace to overwrite them."
    assert (store.folder / "imported.parquet").read_bytes() == before
    assert bring("2025-06-02,MADE0001,9", "2025-06-05,MADE0001,9", replace=True) == 1
    assert [on.day for on in store.dates()] == [2, 3, 4, 5]
    assert store.read(store.dates())["score"].to_list() == [9, 1, 1, 9]
    assert store.read(store.dates()[:0:-1])["date"].to_list() == store.dates()[:0:-1]
    assert [path.name for path in store.folder.iterdir() if "partial" in path.name] == []


def test_other_columns_than_those_that_are_there_are_refused(market, table, store):
    store_external(store, read_external(table(["2025-06-04,MADE0001,1"]), market), replace=False)
    other = read_external(table(["2025-06-05,MADE0001,1,2"], "date,symbol,score,q05"), market)
    with pytest.raises(DataError, match="the columns differ: score there, score, q05 in the file"):
        store_external(store, other, replace=False)


def test_a_half_file_of_an_import_is_named(market, table, store):
    store_external(store, read_external(table(["2025-06-04,MADE0001,1"]), market), replace=False)
    path = store.folder / "imported.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    with pytest.raises(DataError, match=r"imported\.parquet: not a readable signal file") as caught:
        store.dates()
    assert caught.value.hint == f"Delete {store.folder} and import everything again."


def test_no_bit_of_an_import_comes_back_as_another_score(market, table, store):
    lines = [f"2025-06-{day:02},MADE000{i},0.{day}{i}" for day in (2, 3, 4) for i in (1, 2, 3)]
    store_external(store, read_external(table(lines), market), replace=False)
    path, dates = store.folder / "imported.parquet", store.dates()
    whole, rows = path.read_bytes(), store.read(dates)
    noticed = 0
    for place in range(0, 8 * len(whole), 67):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert store.read(dates).equals(rows)
        except DataError:
            noticed += 1
    assert noticed > 85


@pytest.mark.parametrize("name", ["=1+1", "@x", "a\x1b[31m", "x" * 65, ""])
def test_a_column_that_a_spreadsheet_or_a_terminal_would_run_is_refused(market, name):
    scores = pl.DataFrame({"date": ["2025-06-05"], "symbol": ["MADE0001"], "score": [1.0]})
    with pytest.raises(DataError, match=r"signals: expected columns with names of 1 to 64 char") as caught:
        read_external(scores.with_columns(pl.lit(1.0).alias(name)), market)
    assert str(caught.value).isprintable()


@pytest.fixture
def halfhours(intraday):
    return intraday().market


def test_of_intraday_bars_a_date_alone_means_its_close(halfhours, table):
    found = read_external(table(["2024-01-03,SH600000,1", "2024-01-06,SH600000,1"]), halfhours)
    assert found.frame.row(0)[:2] == (datetime(2024, 1, 3).date(), datetime(2024, 1, 3, 15))
    assert found.no_session == 1


def test_of_intraday_bars_the_moments_are_ends_of_bars_and_a_session_has_several(halfhours, table):
    lines = [f"2024-01-03 {at},SH600000,{i}" for i, at in enumerate(("11:30", "15:00", "15:10"))]
    found = read_external(table(lines, "datetime,symbol,score"), halfhours)
    assert [row[1].strftime("%H:%M") for row in found.frame.rows()] == ["11:30", "15:00"]
    assert found.lines() == [
        "2 signals of 1 symbol on 1 session (2 moments) from 2024-01-03 to 2024-01-03, ranked by score",
        "dropped: 1 row of dates or times that are not in the data",
    ]
    with pytest.raises(DataError, match="more than one row of SH600000 2024-01-03 11:30:00"):
        read_external(table([lines[0]] * 2, "datetime,symbol,score"), halfhours)
