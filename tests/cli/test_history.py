"""`kq history`: what became of a symbol's stored bars."""

import json

import pytest


@pytest.fixture
def workspace(kq, tmp_path):
    """A close that a second ingest of the same file restated."""
    kq(tmp_path, "init")
    for close in (10.5, 10.75):
        rows = f"2024-01-02,10,11,9,10,100\n2024-01-03,10,11,9,{close},100\n"
        (tmp_path / "AAPL.csv").write_text(f"date,open,high,low,close,volume\n{rows}")
        assert kq(tmp_path, "ingest", "csv", "AAPL.csv", "--exchange", "XNYS").code == 0
    return tmp_path


def test_a_restated_bar_is_told_with_its_old_and_new_value(kq, workspace):
    done = kq(workspace, "history", "aapl")
    assert done.code == 0, done.err
    counts, line = done.out.splitlines()
    assert counts == "AAPL (day): 1 restated, 0 moved, 0 vanished, 0 returned"
    assert line.startswith("2024-01-03  restated: close 10.5 -> 10.75, amount ")
    assert line.endswith(f"csv {workspace / 'AAPL.csv'}]")
    [change] = json.loads(kq(workspace, "history", "AAPL", "--json").out)["changes"]
    assert (change["old"]["close"], change["new"]["close"], change["source"]) == (10.5, 10.75, "csv")


def test_what_was_recorded_before_a_day_is_left_out(kq, workspace):
    done = kq(workspace, "history", "AAPL", "--since", "2099-01-01")
    assert done.out == "AAPL (day): no change recorded since 2099-01-01\n"


def test_an_unknown_symbol_or_frequency_is_refused(kq, workspace):
    assert kq(workspace, "history", "MSFT").refusal()[:2] == (3, "unknown symbol 'MSFT': not among the 1 in the market")
    assert kq(workspace, "history", "AAPL", "--freq", "5min").code == 3
