"""`kq snapshot`: the published states of the bars."""

import json

import pytest

from kronos_quant.market import open_market


@pytest.fixture
def workspace(kq, tmp_path):
    """A workspace into which three versions of one file were ingested."""
    (tmp_path / "kq.yaml").write_text("{}\n")
    for close in (10, 11, 12):
        rows = f"2024-01-02,10,12,9,10,100\n2024-01-03,10,12,9,{close},100\n"
        (tmp_path / "AAPL.csv").write_text(f"timestamps,open,high,low,close,volume\n{rows}")
        assert kq(tmp_path, "ingest", "csv", "AAPL.csv").code == 0
    return tmp_path


def test_a_restatement_is_reported(kq, workspace):
    rows = "2024-01-02,10,12,9,10,100\n2024-01-03,10,12,9,9.5,100\n"
    (workspace / "AAPL.csv").write_text(f"timestamps,open,high,low,close,volume\n{rows}")
    done = kq(workspace, "ingest", "csv", "AAPL.csv", "--json")
    assert json.loads(done.out)["restated"] == {"AAPL": 1}


def test_snapshots_are_listed_for_people_and_for_scripts(kq, workspace):
    done = kq(workspace, "snapshot", "list", "--json")
    records = json.loads(done.out)
    assert len(records) == 3
    [current] = [record for record in records if record["current"]]
    assert current["name"] == open_market(workspace).snapshot.digest[:16]
    assert (current["bars"], current["first"], current["last"]) == (2, "2024-01-02", "2024-01-03")
    lines = kq(workspace, "snapshot", "list").out.splitlines()
    assert lines[0].split() == ["name", "created", "bars", "first", "last", "MB", "runs", "used", "by"]
    assert [line.split()[0] for line in lines[1:]] == [record["name"] for record in records]
    assert lines[1].endswith("current")


def test_old_snapshots_are_pruned(kq, workspace):
    assert kq(workspace, "snapshot", "prune").out == "deleted 0 snapshots, kept 3\n"
    done = kq(workspace, "snapshot", "prune", "--keep", "1", "--json")
    told = json.loads(done.out)
    assert told["kept"] == [open_market(workspace).snapshot.digest[:16]]
    assert len(told["removed"]) == 2
    assert told["freed_bytes"] > 0


def test_keeping_none_is_a_usage_error(kq, workspace):
    code, error, _ = kq(workspace, "snapshot", "prune", "--keep", "0").refusal()
    assert code == 2
    assert "--keep" in error


def test_without_bars_there_is_nothing_to_list(kq, tmp_path):
    (tmp_path / "kq.yaml").write_text("{}\n")
    assert kq(tmp_path, "snapshot", "list").out == "no snapshots: no bars have been ingested\n"
    assert kq(tmp_path, "snapshot", "list", "--json").out == "[]\n"
    assert kq(tmp_path, "snapshot", "prune").out == "deleted 0 snapshots, kept 0\n"
