"""Tables and lists on the command line."""

import json

import polars as pl
import pytest

from kronos_quant.market import open_market

BARS = pl.DataFrame(
    {
        "symbol": ["SH600000", "SH600000", "SH600004"],
        "date": ["2024-01-02", "2024-01-03", "2024-01-03"],
        **dict.fromkeys(("open", "high", "low", "close", "volume", "amount"), 10.0),
    }
)


@pytest.fixture
def workspace(kq, tmp_path):
    kq(tmp_path, "init")
    BARS.write_parquet(tmp_path / "bars.parquet")
    assert kq(tmp_path, "ingest", "table", "bars.parquet").code == 0
    return tmp_path


def as_json(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_parquet_file_is_ingested(kq, workspace):
    report = as_json(kq(workspace, "ingest", "table", "bars.parquet", "--labels", "end", "--json"))
    assert (report["source"], report["unchanged"], report["exchange"]) == ("table", 3, "XSHG")


def test_a_universe_is_ingested_and_listed_on_a_date_with_its_gap(kq, workspace):
    (workspace / "mine.csv").write_text("symbol,start,end\n600000.SH,2024-01-02,\n600009.SH,2020-01-01,2024-01-02\n")
    assert "universe mine: 2 intervals" in kq(workspace, "ingest", "universe", "mine", "mine.csv").out
    found = as_json(kq(workspace, "universe", "mine", "--date", "2024-01-02", "--json"))
    assert found["members"] == ["SH600000", "SH600009"]
    assert (found["without_bars"], found["survivorship_gap"]) == (["SH600009"], 0.5)
    lines = kq(workspace, "universe", "mine", "--date", "2024-01-02").out.splitlines()
    assert lines[1:] == ["survivorship gap: 50.0% of the constituents have no bars", "SH600000", "SH600009  no bars"]
    assert as_json(kq(workspace, "universe", "--json"))["members"] == ["SH600000", "SH600004"]


def test_an_unknown_universe_is_refused_with_those_there_are(kq, workspace):
    done = kq(workspace, "universe", "csi300")
    assert (done.code, done.err) == (3, "error: unknown universe 'csi300'; available: all\n")


def test_intervals_are_ingested_by_kind(kq, workspace):
    (workspace / "st.csv").write_text("symbol,start,end\n600000,2024-01-03,\n")
    report = as_json(kq(workspace, "ingest", "intervals", "st", "st.csv", "--json"))
    assert (report["what"], report["intervals"]) == ("intervals st", 1)
    assert open_market(workspace).intervals("st")["symbol"].to_list() == ["SH600000"]
    assert kq(workspace, "ingest", "intervals", "colour", "st.csv").code == 2


def test_labels_that_are_none_are_refused(kq, workspace):
    done = kq(workspace, "ingest", "table", "bars.parquet", "--labels", "middle")
    assert (done.code, done.err) == (2, "error: labels: expected end or start, found 'middle'\n")


def test_bars_are_dropped_only_with_yes(kq, workspace):
    shown = as_json(kq(workspace, "drop", "symbol", "600004", "--json"))
    assert (shown["bars"], shown["symbols"], shown["deleted"]) == (1, ["SH600004"], False)
    assert len(open_market(workspace).bars()) == 3
    assert "1 bar of 1 symbol and 0 sessions removed" in kq(workspace, "drop", "symbol", "600004", "--yes").out
    assert len(open_market(workspace).bars()) == 2
    done = kq(workspace, "drop", "source", "bar.parquet", "--yes")
    assert done.code == 3
    assert f"nearest: {workspace / 'bars.parquet'}" in done.err
    assert kq(workspace, "drop", "source", "bars.parquet", "--yes").code == 0
    assert "no bars have been ingested" in kq(workspace, "universe").err


def test_a_calendar_is_ingested_and_published(kq, workspace):
    (workspace / "days.csv").write_text("cal_date,is_open\n2024-01-04,1\n2024-01-05,0\n2024-01-08,1\n")
    report = as_json(kq(workspace, "ingest", "calendar", "days.csv", "--json"))
    assert (report["exchange"], report["sessions"], report["differing"]) == ("XSHG", 2, 1)
    assert report["first_differing"] == "2024-01-05"
    assert report["snapshot"] == open_market(workspace).snapshot.digest
    done = kq(workspace, "ingest", "calendar", "days.csv")
    assert done.out.startswith("days.csv: calendar of XSHG: 2 sessions, 2024-01-04 to 2024-01-08; 2 replaced\n")
    assert kq(workspace, "ingest", "calendar", "days.csv", "--exchange", "XXXX").code == 3
    (workspace / "days.csv").write_text("day_of_month,open\n1,2\n")
    done = kq(workspace, "ingest", "calendar", "days.csv")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: days.csv: expected a column of dates (date, trade_date, cal_date), found")
