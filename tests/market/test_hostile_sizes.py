"""Text that is large only to cost memory or time: refused by its head and its line ends, before either is spent."""

import gzip
import resource

import polars as pl
import pytest

import kronos_quant as kq
from kronos_quant.errors import DataError
from kronos_quant.market.ingest.tables import read_text_table

HEAD = "timestamps,open,high,low,close\n2025-06-03,10,11,9,10\n"
MOST_MEMORY = 400 * 2**20
SIZE = 30_000_000


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cell", HEAD + "x" * SIZE + "\n", "line 3: expected at most 1,048,576 characters, found more"),
        ("quoted", HEAD + '"' + "x" * SIZE, "line 3: expected at most 1,048,576 characters, found more"),
        ("lines", "a\n" * (SIZE // 2), "expected the names of columns, such as date and symbol, found 'a'"),
        ("rows", "a,b\n" * (SIZE // 4), "expected the names of columns, such as date and symbol, found 'a,b'"),
        ("header", ",".join(f"c{n}" for n in range(500_000)), "expected at most 20,000 columns, found 500,000"),
        ("brackets", "[" * SIZE, "line 1: expected at most 1,048,576 characters, found more"),
    ],
)
def test_what_no_table_is_costs_no_memory(tmp_path, name, content, reason):
    path = tmp_path / f"{name}.csv"
    path.write_text(content)
    del content
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=reason):
        read_text_table(path)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_MEMORY


def test_a_packed_file_of_zeros_is_not_unpacked(tmp_path):
    path = tmp_path / "bars.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(20):
            stream.write(bytes(2**24))
    with pytest.raises(DataError, match=r"bars\.csv\.gz: expected at most 50 times its [\d,]+ bytes, found more"):
        read_text_table(path)


def test_a_large_file_of_rows_without_names_is_read(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_text("2025-06-03 09:35,10,11,9,10,100,1000\n" * 500_000)
    assert read_text_table(path).frame.height == 500_000


@pytest.mark.parametrize(
    ("kind", "count"),
    [(pl.Date, 2**31 - 1), (pl.Date, -(2**31)), (pl.Datetime("ms"), 2**62), (pl.Datetime("us", "UTC"), -(2**62))],
)
def test_times_that_nothing_can_show_are_refused(market_workspace, tmp_path, kind, count):
    whole = pl.Int32 if kind == pl.Date else pl.Int64
    times = pl.Series([None, count], dtype=whole).cast(kind)
    table = pl.DataFrame({"date": times, "symbol": "MADE0000", "score": 1.0, "open": 1.0, "high": 1.0})
    table.write_parquet(tmp_path / "odd.parquet")
    ws = kq.open(market_workspace.root)
    reason = "row 2: column date: expected a year from 1 to 9999"
    for call in (
        lambda: ws.ingest(tmp_path / "odd.parquet"),
        lambda: ws.import_signals(tmp_path / "odd.parquet", "odd"),
        lambda: ws.import_signals(table, "odd"),
    ):
        with pytest.raises(DataError, match=reason):
            call()


@pytest.mark.parametrize("name", ["odd.csv", "odd.json", "odd.parquet"])
def test_a_column_called_as_that_of_the_row_numbers(market_workspace, tmp_path, name):
    table = pl.DataFrame({"date": ["2025-06-03"], "#line": [1], "open": [1.0], "symbol": ["A"]})
    ws = kq.open(market_workspace.root)
    {"csv": table.write_csv, "json": table.write_json, "parquet": table.write_parquet}[name[4:]](tmp_path / name)
    read = ws.ingest if name == "odd.parquet" else ws.ingest_csv
    with pytest.raises(DataError, match="expected names of columns, found '#line'"):
        read(tmp_path / name)
