import json

import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from kronos_quant import ConfigError, DataError
from kronos_quant.market import ingest_universe, open_market, workspace_market
from kronos_quant.market.calendar_files import path_of, read_calendar
from kronos_quant.runs import finished_runs
from kronos_quant.signals import Recipe, SignalStore, open_source
from kronos_quant.workflows.signal_store import export_signals, show_signals
from kronos_quant.workflows.signals import run_signals
from kronos_quant.workspace import init_workspace, open_workspace_folder


def sessions_of(workspace):
    return open_market(workspace.root).sessions()


def source_of(workspace, recipe="default"):
    return open_source(workspace, recipe, workspace_market(workspace))


def test_without_dates_the_newest_session_is_computed_and_the_run_recorded(trained_workspace):
    summary = run_signals(trained_workspace, "default", None, None, "cpu")
    newest = sessions_of(trained_workspace)[-1]
    assert summary.frame["date"].unique().to_list() == [newest]
    assert (summary.computed, summary.present, summary.empty) == (1, 0, [])
    assert (summary.folder / f"{newest}.parquet").is_file()
    [run] = finished_runs(trained_workspace.runs, "signal")
    assert sorted(path.name for path in run.path.iterdir()) == ["config.yaml", "manifest.json", "metrics.json"]
    [trained] = finished_runs(trained_workspace.runs, "train")
    assert summary.model == trained.id
    assert run.manifest()["inputs"] == {
        "snapshot": open_market(trained_workspace.root).snapshot.digest,
        "weights": summary.recipe.weights,
        "seeds": {"sampling": 0},
    }
    assert run.metrics()["recipe_digest"] == summary.folder.name
    assert run.metrics()["recipe"] == summary.recipe.content()
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    assert Recipe.model_validate(config["recipe"]).samples == 8


def test_time_stamps_that_no_calendar_covers_are_told(trained_workspace, tmp_path):
    sessions = sessions_of(trained_workspace)
    known = run_signals(trained_workspace, "default", sessions[-5], None, "cpu")
    assert (known.estimated, known.as_dict(1)["estimated"]) == ([], [])
    assert not any("estimated" in line for line in known.lines())
    path = path_of(open_market(trained_workspace.root).snapshot.folder, "day")
    table = pq.read_table(path)
    pq.write_table(table.filter(pc.field("date") <= sessions[-1]), path)  # as if no more were known
    read_calendar.cache_clear()
    found = run_signals(trained_workspace, "default", sessions[-5], None, "cpu")
    assert known.recipe.horizon == 3
    assert found.estimated == found.as_dict(1)["estimated"] == sessions[-3:]
    line = f"estimated time stamps: 3 sessions (first: {sessions[-3]}): no exchange calendar covers the forecast bars"
    assert line in found.lines()
    [metrics] = [run.metrics() for run in finished_runs(trained_workspace.runs, "signal")[-1:]]
    assert metrics["estimated"] == 3
    shown = show_signals(trained_workspace, "default", sessions[-1])
    assert shown.as_dict(1)["estimated"] == sessions[-1:]
    assert line.replace("3 sessions", "1 session").replace(str(sessions[-3]), str(sessions[-1])) in shown.lines()
    told = export_signals(trained_workspace, tmp_path / "out.csv", file_format="csv")
    assert line in told


def test_a_second_time_nothing_is_computed(trained_workspace):
    first, last = sessions_of(trained_workspace)[-3], sessions_of(trained_workspace)[-2]
    before = run_signals(trained_workspace, "default", first, last, "cpu")
    again = run_signals(trained_workspace, "default", first, None, "cpu")
    assert (before.computed, before.present) == (2, 0)
    assert (again.computed, again.present) == (1, 2)
    assert again.frame.filter(pl.col("date") <= last).equals(before.frame)
    assert again.lines()[0].endswith("1 computed, 2 already stored")


def test_the_best_are_those_of_the_last_date_by_the_score_of_the_recipe(trained_workspace):
    (trained_workspace.root / "signals" / "rise.yaml").write_text("samples: 4\nhorizon: 2\nscore: p_rise\n")
    start = sessions_of(trained_workspace)[-2]
    summary = run_signals(trained_workspace, "rise", start, None, "cpu")
    last = summary.frame.filter(pl.col("date") > start)
    expected = sorted(last.select("p_rise", "symbol").rows(), key=lambda row: (-row[0], row[1]))
    best = summary.best(3)
    assert [(row["p_rise"], row["symbol"]) for row in best] == expected[:3]
    assert len({row["p_rise"] for row in last.select("p_rise").to_dicts()}) < last.height  # there were ties
    assert summary.best(0) == []
    told = json.loads(json.dumps(summary.as_dict(3), default=str))
    assert told["computed"] == 2
    assert [row["symbol"] for row in told["best"]] == [row["symbol"] for row in best]


def test_a_refusal_to_compute_says_what_is_missing_and_how_to_get_it(trained_workspace):
    source = source_of(trained_workspace)
    dates = source.market.sessions()[-4:]
    source.ensure(dates[:1], "cpu")
    with pytest.raises(DataError, match=rf"3 of 4 sessions \({dates[1]} to {dates[3]}\) have no signals yet") as caught:
        source.ensure(dates, "cpu", compute=False)
    assert caught.value.hint == f"kq signal --recipe default --start {dates[1]} --end {dates[3]}"
    assert source.ensure(dates[:1], "cpu", compute=False).present == 1


def test_dates_before_there_are_enough_bars_are_told(trained_workspace):
    source = source_of(trained_workspace)
    sessions = source.market.sessions()
    with pytest.raises(DataError, match=f"no symbol has 16 bars up to any session from {sessions[0]} to {sessions[9]}"):
        source.ensure(sessions[:10], "cpu")
    summary = source.ensure(sessions[13:17], "cpu")
    assert summary.empty == sessions[13:15]
    assert summary.lines()[1] == "2 sessions without signals (not enough bars for any symbol)"


def test_a_date_on_which_the_universe_is_empty_is_told_as_that(trained_workspace, tmp_path):
    sessions = sessions_of(trained_workspace)
    listed = tmp_path / "few.csv"
    listed.write_text(f"symbol,start,end\nMADE0001,{sessions[0]},{sessions[-4]}\n")
    ingest_universe(trained_workspace.root, "few", listed)
    (trained_workspace.root / "signals" / "few.yaml").write_text("samples: 2\nhorizon: 1\nuniverse: few\n")
    source = source_of(trained_workspace, "few")
    with pytest.raises(DataError, match=f"^few: universe few has no member on {sessions[-1]}$"):
        source.ensure(sessions[-1:], "cpu")
    with pytest.raises(DataError, match=f"no member on any session from {sessions[-3]} to {sessions[-1]}$"):
        source.ensure(sessions[-3:], "cpu")
    assert source.ensure(sessions[-4:], "cpu").empty == sessions[-3:]


def test_interrupted_signals_leave_no_run_and_keep_the_dates_that_were_finished(trained_workspace, monkeypatch):
    sessions = sessions_of(trained_workspace)
    write = SignalStore.write

    def stop_at_the_last(self, on, scores, seen):
        if on == sessions[-1]:
            raise KeyboardInterrupt
        write(self, on, scores, seen)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SignalStore, "write", stop_at_the_last)
        run_signals(trained_workspace, "default", sessions[-2], None, "cpu")
    assert list((trained_workspace.runs / "signal").iterdir()) == []
    summary = run_signals(trained_workspace, "default", sessions[-2], None, "cpu")
    assert (summary.computed, summary.present) == (1, 1)


def test_what_a_recipe_names_must_exist(trained_workspace):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file") as caught:
        source_of(trained_workspace, "nowhere")
    assert caught.value.hint == "Available: default."
    (trained_workspace.root / "signals" / "csi.yaml").write_text("universe: csi300\n")
    with pytest.raises(DataError, match="unknown universe 'csi300'; available: all"):
        source_of(trained_workspace, "csi")


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        ({"date": "2025-06-04", "start": "2025-06-04"}, "--date: not together with --start or --end"),
        ({"date": "2025-06-04", "end": "2025-06-04"}, "--date: not together with --start or --end"),
        ({"end": "2025-06-04"}, "--end: needs --start"),
        ({"date": "June"}, "date: expected a date such as 2025-06-05, found 'June'"),
    ],
)
def test_dates_that_contradict_are_refused_before_anything_is_read(tmp_path, dates, message):
    init_workspace(tmp_path)
    with pytest.raises(ConfigError, match=message):
        run_signals(open_workspace_folder(tmp_path), **dates)


def test_a_session_given_as_text_is_that_session(trained_workspace):
    on = sessions_of(trained_workspace)[-2]
    for given in ({"date": str(on)}, {"start": on, "end": str(on)}):
        assert run_signals(trained_workspace, device="cpu", **given).dates == [on]
