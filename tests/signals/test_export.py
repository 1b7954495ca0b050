import pandas as pd
import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.signals import attach_signals, qlib_series
from kronos_quant.signals.export import write_export

PATH = pl.Array(pl.Float32, 1)


def test_sql_sees_every_stored_row_under_its_recipe(bench, tmp_path):
    one, other = bench(tmp_path), bench(tmp_path, samples=3, paths=True)
    dates = one.market.sessions()[-2:]
    rows = one.compute(dates)
    other.compute(dates[:1])
    connection = one.market.connect()
    attach_signals(connection, tmp_path)
    counted = connection.sql("SELECT recipe, count(*), count(DISTINCT date) FROM signals GROUP BY recipe").fetchall()
    first = rows.filter(pl.col("date") == dates[0]).height
    assert sorted(counted) == sorted([(one.recipe.digest, rows.height, 2), (other.recipe.digest, first, 1)])
    joined = connection.sql(
        f"SELECT s.last, b.close FROM signals s JOIN bars b USING (symbol, date) WHERE recipe = '{one.recipe.digest}'"
    ).fetchall()
    assert len(joined) == rows.height
    # a second time takes in what was computed since
    other.compute(dates[1:])
    attach_signals(connection, tmp_path)
    assert connection.sql("SELECT count(*) FROM signals").fetchall() == [(2 * rows.height,)]


def test_sql_leaves_a_broken_file_out_and_says_so(bench, tmp_path, caplog):
    made = bench(tmp_path)
    dates = made.market.sessions()[-2:]
    rows = made.compute(dates)
    made.store.path(dates[0]).write_bytes(b"PAR1")
    connection = made.market.connect()
    attach_signals(connection, tmp_path)
    left = rows.filter(pl.col("date") == dates[1]).height
    assert connection.sql("SELECT count(*) FROM signals").fetchall() == [(left,)]
    assert "1 files are broken and left out" in caplog.text


def test_sql_over_an_empty_store_is_an_error(bench, tmp_path):
    with pytest.raises(DataError, match="no signals in the store"):
        attach_signals(bench(tmp_path).market.connect(), tmp_path / "nothing")


@pytest.fixture
def rows():
    return pl.DataFrame(
        {"date": ["2025-06-05", "2025-06-04"], "symbol": ["SH600000", "SZ000001"], "last": [0.1, -0.2]}
    ).with_columns(pl.col("date").str.to_date())


def test_qlib_gets_a_series_by_instrument_and_datetime(rows, tmp_path):
    series = qlib_series(rows.rename({"last": "score"}))
    assert series.index.names == ["instrument", "datetime"]
    assert series.name == "score"
    assert series["SZ000001", pd.Timestamp("2025-06-04")] == -0.2
    write_export(tmp_path / "out.parquet", rows, "last", "qlib", pl.col("date"))
    pd.testing.assert_series_equal(pd.read_parquet(tmp_path / "out.parquet")["score"], series)


def test_tables_are_written_whole_and_replace_nothing(rows, tmp_path):
    write_export(tmp_path / "out.parquet", rows, "last", "parquet", pl.col("date"))
    whole = rows.with_columns(pl.Series("paths", [[0.1], [0.2]]), pl.Series("path_q05", [[0.1]] * 2, dtype=PATH))
    write_export(tmp_path / "out.csv", whole, "last", "csv", pl.col("date"))
    assert pl.read_parquet(tmp_path / "out.parquet").equals(rows)
    assert pl.read_csv(tmp_path / "out.csv", try_parse_dates=True).equals(rows)
    with pytest.raises(DataError, match=r"out\.csv: already exists"):
        write_export(tmp_path / "out.csv", rows, "last", "csv", pl.col("date"))


def test_sql_and_qlib_see_every_moment_of_a_session(intraday, tmp_path):
    made, long = intraday(asof={"every": 4}), intraday(horizon=5)
    dates = made.market.sessions()[20:22]
    rows = made.compute(dates)
    long.compute(dates)
    connection = made.market.connect()
    attach_signals(connection, made.workspace.signal_store)
    found = connection.execute(
        'SELECT "asof", count(*), count(path_q50[3]) FROM signals WHERE recipe = ? GROUP BY "asof" ORDER BY "asof"',
        [made.recipe.digest],
    ).fetchall()
    expected = rows.group_by("asof", maintain_order=True).len()
    assert [(asof, count) for asof, count, _ in found] == expected.rows()
    assert all(count == bars for _, count, bars in found)
    write_export(tmp_path / "q.parquet", rows, "last", "qlib", made.recipe.moment)
    series = pd.read_parquet(tmp_path / "q.parquet")["score"]
    assert series.index.is_unique
    assert series["SH600000"].index.to_list() == [pd.Timestamp(asof) for asof in expected["asof"]]
