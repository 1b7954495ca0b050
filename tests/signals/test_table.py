"""One reader of tables of scores: what it takes, what it drops and counts, what it refuses."""

from datetime import date, datetime, time

import pandas as pd
import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.signals import read_score_table

SYMBOLS = ["SH600000", "SZ000001", "SZ000002", "AAA", "BBB", "CCC"]
DAY = datetime(2024, 6, 18)


@pytest.fixture
def table(tmp_path):
    def write(text, name="scores.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def read(source, **settings):
    return read_score_table(source, SYMBOLS, **settings)


def rows_of(source, **settings):
    return read(source, **settings).ranked().rows()


@pytest.mark.parametrize("when", ["date", "datetime", "time", "timestamp", "asof", "trade_date", "Date", "DAY"])
@pytest.mark.parametrize("who", ["symbol", "instrument", "code", "ts_code", "Symbol"])
def test_the_usual_names_of_columns_are_known(table, when, who):
    assert rows_of(table(f"{when},{who},score\n2024-06-18,AAA,0.5\n")) == [(DAY, "AAA", 0.5)]


@pytest.mark.parametrize(
    "text",
    [
        "Trade Date;Stock Code;Score\n18.06.2024;600000;1,5\n18.06.2024;1;-0,25\n",
        "TradingDay,SecuCode,score\n20240618.0,600000.0,1.5\n20240618.0,1.0,-0.25\n",
        "日期,代码,得分\n2024年6月18日,'600000,1.5\n2024年6月18日,'000001,-0.25\n",
    ],
)
def test_names_codes_and_numbers_are_read_as_those_of_bars(table, text):
    found = read_score_table(table(text), SYMBOLS[:3])
    assert found.ranked().rows() == [(DAY, "SH600000", 1.5), (DAY, "SZ000001", -0.25)]


def test_date_gives_the_session_and_asof_or_time_the_moment(table):
    for name in ("asof", "time"):
        found = read(table(f"{name},date,symbol,score\n2024-06-18T15:00:00,2024-06-18,AAA,1\n")).frame
        assert found.columns == ["date", "asof", "symbol", "score"]
        assert found.row(0)[:2] == (DAY.date(), datetime(2024, 6, 18, 15))
    assert rows_of(table("date,time,symbol,score\n20240618,9:35,AAA,1\n")) == [(datetime(2024, 6, 18, 9, 35), "AAA", 1)]
    clock = pl.DataFrame({"date": [DAY.date()], "time": [time(15)], "symbol": ["AAA"], "score": [1]})
    assert rows_of(clock) == [(datetime(2024, 6, 18, 15), "AAA", 1)]


def test_files_and_tables_of_every_library_are_read_alike(table, tmp_path):
    text = "datetime,instrument,score\n2024-06-18,SH600000,1\n2024-06-19,SZ000001,-1\n"
    path = table(text)
    expected = read(path).frame
    frame = pl.read_csv(path, try_parse_dates=True)
    frame.write_parquet(tmp_path / "no_suffix")
    pandas = frame.to_pandas()
    indexed = pandas.set_index(["datetime", "instrument"])
    tables = [frame, frame.lazy(), frame.to_arrow(), pandas, indexed, indexed["score"]]
    for source in [str(path), tmp_path / "no_suffix", *tables]:
        assert read(source).frame.equals(expected)
    with pytest.raises(DataError, match=r"scores: expected a table of Polars, pandas or Arrow, found int"):
        read(3)


def test_a_column_per_symbol_is_a_table_of_scores(table):
    expected = [(DAY, "AAA", 1.0), (DAY, "BBB", -1.0), (datetime(2024, 6, 19), "BBB", 2.0)]
    found = read(table("date,AAA,bbb,NOBODY\n2024-06-18,1,-1,5\n2024-06-19,,2,5\n"))
    assert found.ranked().rows() == expected
    assert (found.not_finite, found.unknown_rows, found.unknown_symbols) == (1, 2, ["NOBODY"])
    wide = pd.DataFrame({"AAA": [1.0, None], "BBB": [-1, 2]}, index=pd.to_datetime(["2024-06-18", "2024-06-19"]))
    assert read(wide).ranked().rows() == expected
    # DAY is a symbol where there is a column date
    assert read_score_table(table("date,DAY\n2024-06-18,1\n"), ["DAY"]).ranked().rows() == [(DAY, "DAY", 1.0)]
    with pytest.raises(DataError, match=r"scores\.csv: score: expected numbers, found"):
        read(table("date,AAA,BBB\n2024-06-18,high,1\n"))


def test_many_columns_of_a_table_of_another_form_are_not_all_listed(table):
    names = [f"X{i}" for i in range(80)]
    with pytest.raises(DataError, match="expected a column symbol, found date, X0, X1, X2, X3 and 76 more") as caught:
        read(table(",".join(["date", *names]) + "\n"))
    assert caught.value.hint.startswith("a row per date and symbol (date, symbol, score), or a date and a column per")


@pytest.mark.parametrize("stamp", ["2024-06-18T00:00:00+08:00", "2024-06-18 00:00:00Z", "20240618", "2024/6/18"])
@pytest.mark.parametrize("exchange", ["XSHG", "XNYS", ""])
def test_a_day_is_that_day_whatever_its_time_zone_and_spelling(table, stamp, exchange):
    # in UTC the first would be of the day before: its score would trade a session too early
    assert rows_of(table(f"date,symbol,score\n{stamp},AAA,1\n"), exchange=exchange) == [(DAY, "AAA", 1.0)]


def test_a_moment_with_its_offset_is_read_by_the_exchanges_clock(table, tmp_path):
    path = table("asof,symbol,score\n2024-06-18T07:00:00Z,AAA,1\n2024-06-18T09:30:00+08:00,BBB,2\n")
    found = read(path, exchange="XSHG").ranked()
    assert sorted(found["time"]) == [datetime(2024, 6, 18, 9, 30), datetime(2024, 6, 18, 15)]
    times = pl.Series([datetime(2024, 6, 17, 15)]).dt.replace_time_zone("Asia/Shanghai")
    frame = pl.DataFrame({"date": times, "symbol": ["600000.SH"], "score": [3]})
    assert rows_of(frame, exchange="XSHG") == [(datetime(2024, 6, 17, 15), "SH600000", 3.0)]


@pytest.mark.parametrize("name", ["symbol", "instrument"])
def test_the_zeros_of_a_symbol_are_kept_and_those_that_were_lost_are_found(table, name):
    found = rows_of(table(f"date,{name},score\n2024-06-18,000001,1\n2024-06-18,600000,2\n"), exchange="XSHG")
    assert [row[1] for row in found] == ["SH600000", "SZ000001"]
    lost = pl.DataFrame({"date": [DAY] * 2, "symbol": [1, 600000], "score": [1, 2]})
    assert rows_of(lost, exchange="XSHG") == found
    with pytest.raises(DataError, match="no symbol in common with the bars: 1, 600000 here"):
        rows_of(lost, exchange="XNYS")


def test_scores_that_begin_as_whole_numbers_may_go_on_as_others(table):
    rows = [f"{day},AAA,1" for day in pd.date_range("2020-01-01", periods=150).strftime("%Y-%m-%d")]
    found = read(table("\n".join(["date,symbol,score", *rows, "2024-06-18,BBB,0.5"]) + "\n"))
    assert found.frame["score"].sum() == 150.5


def test_what_is_dropped_is_counted_and_columns_without_numbers_are_named(table):
    rows = ["AAA,1,steel", "BBB,nan,steel", "CCC,,", "SH600000,inf,x", "NOBODY,1,x", "ELSE,2,x"]
    found = read(table("\n".join(["date,symbol,score,industry", *(f"2024-06-18,{row}" for row in rows)]) + "\n"))
    assert found.ranked().rows() == [(DAY, "AAA", 1.0)]
    assert found.notes() == [
        "dropped: 3 rows without a finite score",
        "dropped: 2 rows with unknown symbols: ELSE, NOBODY",
        "dropped: columns without numbers: industry",
    ]


@pytest.mark.parametrize(
    ("header", "score", "expected"),
    [
        ("date,symbol,alpha", None, "alpha"),
        ("date,symbol,mean,last", None, "last"),
        ("date,symbol,mean,last", "mean", "mean"),
        ("trade_date,ts_code,pred", None, "pred"),
    ],
)
def test_the_column_that_ranks_is_chosen(table, header, score, expected):
    line = "20240618,AAA" + ",1" * (header.count(",") - 1)
    assert read(table(f"{header}\n{line}\n"), score=score).score == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "scores.csv: expected a header line and rows, found an empty file"),
        ("when,symbol,score\n2024-06-18,AAA,1\n", "expected a column date or asof, found when, symbol, score"),
        ("date,name,score\n2024-06-18,AAA,1\n", "expected a column symbol, found date, name, score"),
        ("date,symbol\n2024-06-18,AAA\n", "which column ranks? found no column of scores"),
        ("date,symbol,a,b\n2024-06-18,AAA,1,2\n", "which column ranks? found a, b"),
        ("date,symbol,score\ntomorrow,AAA,1\n", "date: expected dates such as 2025-06-05, found 'tomorrow'"),
        ("date,symbol,score\n05/06/2025,AAA,1\n", "scores.csv: column date: '05/06/2025' may be of two days"),
        ("date,symbol,score\n2024-06-18,AAA,high\n", "scores.csv: score: expected numbers, found 'high'"),
        ("date,symbol,industry\n2024-06-18,AAA,steel\n", "which column ranks? found no column of scores"),
        ("date,symbol,score\n2024-06-18,AAA,1\n2024-06-18,AAA,2\n", "more than one row of AAA 2024-06-18"),
        ("date,symbol,score\n2024-06-18,,1\n", "1 row without a date or symbol"),
        ("date,symbol,score\n2024-06-18,NOBODY,1\n", "no symbol in common with the bars: NOBODY here, AAA"),
        ("date,symbol,score\n2024-06-18,AAA,nan\n", "1 without a finite score"),
        ("date,symbol,score\n", "no usable score: 0 rows read"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_clear_line(table, text, message):
    with pytest.raises(DataError) as caught:
        read(table(text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_symbol_has_one_score_per_date_or_with_intraday_bars_per_moment(table):
    path = table("asof,symbol,score\n2024-06-18 11:30,AAA,1\n2024-06-18 15:00,AAA,2\n")
    assert len(rows_of(path, freq="5min")) == 2
    with pytest.raises(DataError, match="more than one row of AAA 2024-06-18"):
        read(path)


@pytest.mark.parametrize("content", [b"PAR1 and then nothing", b"", b"\x80\x04\x95pickle"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "mine.pkl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.pkl: "):
        read(path)
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        read(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("date,symbol,分数\n2025-06-05,AAA,1.5\n", "gbk"),
        ("date,symbol,分数\n2025-06-05,AAA,1.5\n", "utf-16"),
        ("交易日期\t代码\t分数\n2025/6/5\tAAA\t1.5\n", "gb18030"),
        ("date;symbol;score\n2025-06-05;AAA;1.5\n", "utf-8-sig"),
        ("# my model\ndate,symbol,score\n05 Jun 2025,AAA,1.5\n", "utf-8"),
    ],
)
def test_other_encodings_and_separators_are_told_from_the_file(tmp_path, text, encoding):
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode(encoding))
    assert read(path).ranked().rows() == [(datetime(2025, 6, 5), "AAA", 1.5)]


def test_a_column_of_a_wide_table_may_be_a_symbol_that_is_the_name_of_a_column(table):
    found = read_score_table(table("date,AAA,SID\n2025-06-05,1,2\n"), ["AAA", "SID"])
    assert found.ranked()["symbol"].to_list() == ["AAA", "SID"]


@pytest.mark.parametrize("heads", ["日期,代码,得分", "交易日,股票代码,因子值", "交易日期,证券代码,score"])
def test_chinese_names_of_columns_and_codes_of_digits_are_read(table, heads):
    path = table(f"{heads}\n20240618,600000,1\n20240618,000001,2\n")
    found = read(path, exchange="XSHG").frame
    assert found["symbol"].to_list() == ["SH600000", "SZ000001"]
    assert found["date"].to_list() == [DAY.date()] * 2


def test_the_rows_are_sorted_and_typed():
    found = read(pl.DataFrame({"date": ["2024-06-19", "2024-06-18"], "symbol": ["AAA", "BBB"], "score": [1, 2]})).frame
    assert found.schema == {"date": pl.Date, "asof": pl.Datetime("us"), "symbol": pl.String, "score": pl.Float64}
    assert found["date"].to_list() == [date(2024, 6, 18), date(2024, 6, 19)]


def test_a_moment_whose_scores_are_all_equal_is_noted():
    days = ["2024-06-17", "2024-06-17", "2024-06-18", "2024-06-18", "2024-06-19"]
    frame = pl.DataFrame({"date": days, "symbol": ["AAA", "BBB"] * 2 + ["AAA"], "score": [1.0, 1.0, 1.0, 2.0, 3.0]})
    found = read(frame)
    assert found.notes() == ["all symbols have the same score on 1 of 3 dates: no ranking there"]
    assert found.as_dict()["tied_moments"] == 1
    assert read(frame.filter(pl.col("date") > "2024-06-17")).notes() == []


def test_a_score_of_true_and_false_is_refused():
    frame = pl.DataFrame({"date": ["2024-06-18"] * 2, "symbol": ["AAA", "BBB"], "up": [True, False]})
    with pytest.raises(DataError, match="scores: up: expected numbers, found true and false"):
        read(frame)
    wide = pl.DataFrame({"date": ["2024-06-18"], "AAA": [True], "BBB": [False]})
    with pytest.raises(DataError, match="scores: score: expected numbers"):
        read(wide)


def test_the_exchange_is_the_one_that_the_symbols_share():
    times = pl.Series([datetime(2024, 6, 17, 7)]).dt.replace_time_zone("UTC")
    frame = pl.DataFrame({"asof": times, "symbol": ["SH600000"], "score": [3]})
    mainland = read_score_table(frame, ["SH600000", "SZ000001"])
    assert mainland.ranked().rows() == [(datetime(2024, 6, 17, 15), "SH600000", 3.0)]
    assert rows_of(frame) == [(datetime(2024, 6, 17, 7), "SH600000", 3.0)]


@pytest.mark.parametrize("name", ["*", "^score.*$"])
def test_the_name_of_a_column_is_no_pattern(name):
    frame = pl.DataFrame({"date": ["2024-01-02"], "symbol": ["AAA"], name: [0.5]})
    with pytest.raises(DataError, match="expected names of columns, found "):
        read_score_table(frame, ["AAA"])


@pytest.mark.parametrize("shape", [pl.struct, pl.concat_list])
@pytest.mark.parametrize(
    ("column", "words"), [("symbol", "symbol: expected texts"), ("score", "score: expected numbers")]
)
def test_a_column_of_structures_or_lists_is_named(column, words, shape):
    frame = pl.DataFrame({"date": ["2024-01-02"], "symbol": ["AAA"], "score": [0.5]}).with_columns(
        shape(column).alias(column)
    )
    with pytest.raises(DataError, match=words):
        read_score_table(frame, ["AAA"])
