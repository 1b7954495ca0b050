"""The store seen from outside: listed, shown, compared, tidied, filled and emptied."""

import json
import os
import shutil
from datetime import datetime, time

import pandas as pd
import polars as pl
import pytest
from made import intraday_workspace, left_by_a_killed_process

from kronos_quant import CheckpointError, ConfigError, DataError
from kronos_quant.files import file_digest
from kronos_quant.market import open_market, workspace_market
from kronos_quant.signals import SignalFolder, attach_signals, open_computed, open_source
from kronos_quant.signals.store import FORMAT
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workflows.signal_store import diff_signals, export_signals, list_signals, prune_signals, show_signals
from kronos_quant.workflows.signals import run_signals
from kronos_quant.workflows.workspace import Workspace
from kronos_quant.workspace import open_workspace_folder


def sessions_of(workspace):
    return open_market(workspace.root).sessions()


def write_recipe(workspace, name, text):
    (workspace.root / "signals" / f"{name}.yaml").write_text(text)


def compute(workspace, recipe, dates):
    source = open_source(workspace, recipe, workspace_market(workspace))
    return source.ensure(dates, "cpu", allow_code=True)


@pytest.fixture(scope="module")
def stored_once(one_process, trained_folder, tmp_path_factory):
    """The workspace with signals of three sessions under the recipe `default`; not to be changed."""
    folder = tmp_path_factory.mktemp("stored") / "workspace"
    shutil.copytree(trained_folder, folder)
    workspace = open_workspace_folder(folder)
    compute(workspace, "default", sessions_of(workspace)[-3:])
    return folder


@pytest.fixture
def stored(stored_once, tmp_path):
    """A copy of it, to change."""
    shutil.copytree(stored_once, tmp_path / "stored")
    return open_workspace_folder(tmp_path / "stored")


def alpha_file(workspace, dates, path, sign=1):
    stocks = open_market(workspace.root).instruments().filter(pl.col("kind") == "stock")["symbol"].to_list()
    rows = [(on, symbol, sign * float(i)) for on in dates for i, symbol in enumerate(stocks)]
    pl.DataFrame(rows, schema=["date", "symbol", "alpha"], orient="row").write_csv(path)
    return path


def files_of(workspace):
    return sorted(str(path.relative_to(workspace.signal_store)) for path in workspace.signal_store.rglob("*"))


def test_the_list_says_what_each_digest_is_and_covers(stored):
    [row] = list_signals(stored)
    sessions = sessions_of(stored)
    assert (row.recipes, row.state, row.dates) == (["default"], "complete", sessions[-3:])
    assert row.as_dict()["bytes"] == sum(path.stat().st_size for path in (stored.signal_store / row.digest).iterdir())
    compute(stored, "default", sessions[-6:-4])
    (stored.signal_store / row.digest / f"{sessions[-1]}.parquet").write_bytes(b"PAR1 half")
    [row] = list_signals(stored)
    assert row.state == "1 broken; 1 gaps"


def test_restated_bars_make_dates_stale_and_they_are_not_shown(stored):
    from kronos_quant import schema
    from kronos_quant.market import BarBatch, store_bars
    from kronos_quant.market.store import make_instruments

    last = sessions_of(stored)[-1]
    bars = open_market(stored.root).bars(["MADE0001"], start=last)
    bars = bars.with_columns(pl.col("close", "high") * 1.5).cast(schema.BARS)
    store_bars(
        stored.root,
        BarBatch("test", None, schema.DAILY, bars, make_instruments(["MADE0001"], "XNYS"),
              pl.DataFrame(schema=schema.UNIVERSES), [last], "XNYS"),
    )  # fmt: skip
    assert list_signals(stored)[0].state == "1 stale"
    with pytest.raises(DataError, match=f"default: 1 of 1 sessions were computed from other bars: {last}") as caught:
        show_signals(stored, "default", last)
    assert caught.value.hint == f"kq signal --recipe default --start {last} --end {last}"
    assert show_signals(stored, "default", sessions_of(stored)[-2]).frame.height > 3


def test_the_best_and_the_worst_are_shown_with_their_error(stored):
    shown = show_signals(stored, "default", None)
    last = sessions_of(stored)[-1]
    ends = shown.ends(2)
    values = shown.frame["last"].sort(descending=True).to_list()
    assert [row["last"] for row in ends] == [*values[:2], *values[-2:]]
    assert {row["date"] for row in ends} == {last}
    assert list(ends[0])[:5] == ["date", "symbol", "close", "last", "std_error"]
    assert show_signals(stored, shown.digest[:6], last).frame.equals(shown.frame)
    assert len(shown.ends(100)) == shown.frame.height


def test_what_is_not_in_the_store_is_one_clear_line(stored):
    sessions = sessions_of(stored)
    with pytest.raises(DataError, match=f"default: no signals in the store from {sessions[50]} to {sessions[50]}"):
        show_signals(stored, "default", sessions[50])
    with pytest.raises(ConfigError, match="nowhere: no recipe in signals/ and no digest in the store"):
        show_signals(stored, "nowhere", None)
    with pytest.raises(DataError, match="is not a session: the nearest are"):
        show_signals(stored, "default", sessions[0].replace(year=2025, month=1, day=1))


def test_a_recipe_whose_model_is_gone_is_listed_kept_and_shown_as_stored(stored, caplog):
    before = show_signals(stored, "default", None)
    shutil.rmtree(stored.runs / "train")
    [row] = list_signals(stored)
    assert row.recipes == []
    assert "no trained model yet" in row.state
    assert prune_signals(stored, None, delete=True).folders == []
    shown = show_signals(stored, "default", None)
    assert shown.frame.equals(before.frame)
    assert "shown as stored" in caplog.text
    shutil.rmtree(stored.signal_store)
    with pytest.raises(CheckpointError, match="stored under this recipe: nothing"):
        show_signals(stored, "default", None)


def test_a_store_of_a_newer_version_is_named_and_left_alone(stored):
    [row] = list_signals(stored)
    note = stored.signal_store / row.digest / "recipe.json"
    note.write_text(json.dumps({"format": FORMAT + 1}))
    [row] = list_signals(stored)
    assert f"written by a newer kronos-quant (store format {FORMAT + 1}" in row.state
    (stored.root / "signals" / "default.yaml").write_text("samples: 3\nhorizon: 2\n")
    report = prune_signals(stored, None, delete=True)
    assert report.folders == []
    assert "newer kronos-quant" in report.kept[0]


def test_two_recipes_are_compared_where_both_have_signals(stored):
    write_recipe(stored, "other", "samples: 4\nhorizon: 3\nscore: median\nsteps: [{step: rank}]\n")
    compute(stored, "other", sessions_of(stored)[-2:])
    found = diff_signals(stored, "default", "other", None, None, 4)
    assert found.by_date["date"].to_list() == sessions_of(stored)[-2:]
    assert found.differences.height == 4
    same = diff_signals(stored, "default", "default", None, None, 1)
    assert same.by_date["rank_correlation"].to_list() == pytest.approx([1, 1, 1])


def test_what_no_recipe_names_is_deleted_only_when_that_is_said(stored):
    write_recipe(stored, "default", "samples: 6\nhorizon: 3\n")
    compute(stored, "default", sessions_of(stored)[-1:])
    before = files_of(stored)
    said = prune_signals(stored, None, delete=False)
    assert len(said.folders) == 1
    assert "run again with --yes to delete" in said.lines()[-1]
    assert files_of(stored) == before
    gone = said.folders[0][0]
    done = prune_signals(stored, None, delete=True)
    assert (done.bytes, done.done) == (said.bytes, True)
    assert not gone.exists()
    assert [row.recipes for row in list_signals(stored)] == [["default"]]
    assert prune_signals(stored, None, delete=True).lines() == ["nothing to delete"]


def test_sessions_before_a_date_are_deleted_and_imports_are_not(stored, tmp_path):
    sessions = sessions_of(stored)
    Workspace(stored).import_signals(alpha_file(stored, sessions[-3:], tmp_path / "a.csv"), "mine")
    report = prune_signals(stored, sessions[-1], delete=True)
    assert len(report.files) == 2
    assert sorted(len(row.dates) for row in list_signals(stored)) == [1, 3]


def test_what_a_killed_writer_left_is_no_signal_and_is_deleted(stored):
    [row] = list_signals(stored)
    folder = stored.signal_store / row.digest
    whole = folder / f"{row.dates[0]}.parquet"
    # of a version that did not name the process, and of one that does
    young, old = (folder / f".partial-{mark}-{whole.name}" for mark in ("0123abcd", "4567abcd"))
    left = folder / left_by_a_killed_process(whole.name)
    for path in (young, old, left):
        path.write_bytes(whole.read_bytes())
    os.utime(old, (0, 0))
    [again] = list_signals(stored)
    assert (again.dates, again.state) == (row.dates, "complete")
    with open_market(stored.root).connect() as connection:
        attach_signals(connection, stored.signal_store)
        [(count,)] = connection.sql("SELECT count(DISTINCT (date, symbol)) - count(*) FROM signals").fetchall()
    assert count == 0
    assert prune_signals(stored, None, delete=True).files == sorted([old, left])
    assert young.exists()
    assert not old.exists()
    assert not left.exists()


def test_an_import_is_a_recipe_like_any_other_and_can_be_backtested(backtest_workspace, tmp_path):
    workspace = backtest_workspace
    dates = sessions_of(workspace)[-12:]
    report = Workspace(workspace).import_signals(alpha_file(workspace, dates, tmp_path / "a.csv"), "mine", horizon=3)
    assert report.recipe.read_text().splitlines()[1:] == ["imported: mine", "score: alpha", "horizon: 3"]
    assert [row.state for row in list_signals(workspace) if row.recipes == ["mine"]] == ["complete"]
    summary = run_signals(workspace, "mine", dates[-2], None, "cpu")
    assert (summary.computed, summary.present, summary.score) == (0, 2, "alpha")
    assert summary.recipe.weights == file_digest(report.folder / "imported.parquet")
    assert summary.best(1)[0]["alpha"] == 11
    (workspace.root / "strategies" / "mine.yaml").write_text(
        f"topk: 2\nn_drop: 1\naccount: 1_000_000\nsignal: mine\nstart: {dates[0]}\nend: {dates[-1]}\n"
    )
    result = run_backtest(workspace, "mine", device="cpu", page=False, compute=False)
    bought = result.orders.filter(pl.col("side") == "buy") if "side" in result.orders.columns else result.orders
    best = show_signals(workspace, "mine", None).ends(2)[:2]
    assert {row["symbol"] for row in best} <= set(bought["symbol"])
    assert diff_signals(workspace, "default", "mine", None, None, 1).by_date.height >= 10


def test_an_import_asked_for_other_dates_says_what_it_has(stored, tmp_path):
    sessions = sessions_of(stored)
    Workspace(stored).import_signals(alpha_file(stored, sessions[-3:-1], tmp_path / "a.csv"), "mine")
    source = open_source(stored, "mine", workspace_market(stored))
    found = source.ensure(sessions[-3:], "cpu")
    assert found.empty == sessions[-1:]
    assert "no score for any symbol" in found.lines()[1]
    with pytest.raises(DataError, match=f"mine: no imported signals for {sessions[-1]}: available: {sessions[-3]}"):
        source.ensure(sessions[-1:], "cpu")
    with pytest.raises(ConfigError, match="imported as mine: has no model of its own"):
        open_computed(stored, "mine", source.market)


def test_an_import_that_is_refused_leaves_nothing(stored, tmp_path):
    (tmp_path / "bad.csv").write_text("date,symbol,alpha\n2025-06-05,NOBODY,1\n")
    before = files_of(stored)
    with pytest.raises(DataError, match="no usable score"):
        Workspace(stored).import_signals(tmp_path / "bad.csv", "mine")
    good = alpha_file(stored, sessions_of(stored)[-1:], tmp_path / "a.csv")
    with pytest.raises(ConfigError, match=r"default\.yaml is already another recipe"):
        Workspace(stored).import_signals(good, "default")
    assert files_of(stored) == before
    assert not (stored.root / "signals" / "mine.yaml").exists()


def test_an_import_that_was_cut_off_can_be_made_again(stored, tmp_path, monkeypatch):
    alpha_file(stored, sessions_of(stored)[-2:], tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text().replace("alpha", '"alpha: #1"', 1)
    (tmp_path / "a.csv").write_text(text)

    def cut_off(*arguments, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("kronos_quant.signals.store.pq.write_table", cut_off)
        Workspace(stored).import_signals(tmp_path / "a.csv", "mine")
    assert not (stored.root / "signals" / "mine.yaml").exists()
    report = Workspace(stored).import_signals(tmp_path / "a.csv", "mine")
    assert (report.replaced, report.signals.score) == (0, "alpha: #1")
    assert show_signals(stored, "mine", None).score == "alpha: #1"


def test_a_blend_averages_what_its_members_rank(stored, tmp_path):
    last = sessions_of(stored)[-1]
    Workspace(stored).import_signals(alpha_file(stored, [last], tmp_path / "a.csv", -1), "mine", horizon=3)
    write_recipe(stored, "ranked", "samples: 8\nhorizon: 3\nsteps: [{step: rank}]\n")
    write_recipe(stored, "mine", "imported: mine\nscore: alpha\nhorizon: 3\nsteps: [{step: rank}]\n")
    write_recipe(stored, "both", "members: [ranked, mine]\n")
    found = compute(stored, "both", [last])
    assert (found.score, found.present) == ("score", 2)
    parts = [compute(stored, name, [last]).ranked().rename({"score": name}) for name in ("ranked", "mine")]
    joined = found.ranked().join(parts[0], on=["time", "symbol"]).join(parts[1], on=["time", "symbol"])
    assert joined["score"].to_numpy() == pytest.approx(((joined["ranked"] + joined["mine"]) / 2).to_numpy())
    assert show_signals(stored, "both", last).frame.height == found.frame.height
    assert prune_signals(stored, None, delete=True).folders == []
    write_recipe(stored, "nested", "members: [both]\n")
    with pytest.raises(ConfigError, match="nested: members: both is itself a blend"):
        open_source(stored, "nested", workspace_market(stored))


def test_a_recipe_that_smooths_computes_the_sessions_before_too(trained_workspace):
    write_recipe(trained_workspace, "smooth", "samples: 4\nhorizon: 2\nsteps: [{step: smooth, sessions: 3}]\n")
    found = compute(trained_workspace, "smooth", sessions_of(trained_workspace)[-1:])
    assert (found.computed, found.dates) == (3, sessions_of(trained_workspace)[-1:])
    assert found.frame["date"].unique().to_list() == found.dates
    again = compute(trained_workspace, "smooth", sessions_of(trained_workspace)[-1:])
    assert (again.computed, again.present) == (0, 3)


def test_only_dates_whose_history_is_stored_are_shown_and_exported(trained_workspace, tmp_path):
    write_recipe(trained_workspace, "smooth", "samples: 4\nhorizon: 2\nsteps: [{step: smooth, sessions: 3}]\n")
    sessions = sessions_of(trained_workspace)
    compute(trained_workspace, "smooth", sessions[-2:])  # and the two sessions before them
    export_signals(trained_workspace, tmp_path / "all.parquet", "smooth", "parquet", None, None)
    exported = pl.read_parquet(tmp_path / "all.parquet")
    assert exported["date"].unique().sort().to_list() == sessions[-2:]
    with pytest.raises(DataError, match=f"smooth: the sessions before {sessions[-4]} that its steps") as caught:
        show_signals(trained_workspace, "smooth", sessions[-4])
    assert caught.value.hint == f"kq signal --recipe smooth --start {sessions[-4]} --end {sessions[-4]}"
    write_recipe(trained_workspace, "both", "members: [smooth]\n")
    assert show_signals(trained_workspace, "both", sessions[-2]).frame.height > 0
    with pytest.raises(DataError, match="both: the sessions before"):
        show_signals(trained_workspace, "both", sessions[-3])


def test_a_change_of_steps_or_score_computes_nothing(stored):
    text = (stored.root / "signals" / "default.yaml").read_text()
    write_recipe(stored, "default", text + "score: p_rise\nsteps: [{step: winsorise}, {step: zscore}]\n")
    found = compute(stored, "default", sessions_of(stored)[-3:])
    assert (found.computed, found.present, found.score) == (0, 3, "score")


def test_a_users_own_score_runs_only_when_allowed_and_is_stored(trained_workspace):
    (trained_workspace.root / "mine.py").write_text("def score(returns):\n    return returns[:, :, -1].max(axis=1)\n")
    write_recipe(trained_workspace, "own", "samples: 4\nhorizon: 2\nown_score: mine.py\npaths: true\nscore: own\n")
    last = sessions_of(trained_workspace)[-1]
    with pytest.raises(ConfigError, match=r"mine\.py: the recipe's own_score is Python code"):
        run_signals(trained_workspace, "own", last, None, "cpu")
    assert list_signals(trained_workspace) == []
    found = run_signals(trained_workspace, "own", last, None, "cpu", allow_code=True)
    paths = SignalFolder(found.folder).read([last], paths=True)["paths"].to_numpy()
    assert paths.shape[1:] == (4, 2)
    assert found.frame["own"].to_numpy() == pytest.approx(paths[:, :, -1].max(axis=1), rel=1e-5)
    assert found.frame["last"].to_numpy() == pytest.approx(paths[:, :, -1].mean(axis=1), abs=1e-6)
    # what is stored needs no code to be read
    assert run_signals(trained_workspace, "own", last, None, "cpu").computed == 0


def test_signals_are_exported_for_other_programs(stored, tmp_path):
    told = export_signals(stored, tmp_path / "qlib.parquet", "default", "qlib", None, None)
    series = pd.read_parquet(tmp_path / "qlib.parquet")["score"]
    rows = show_signals(stored, "default", None).frame
    for symbol, score in rows.select("symbol", "last").rows():
        assert series[symbol, pd.Timestamp(sessions_of(stored)[-1])] == score
    assert told == [f"{tmp_path / 'qlib.parquet'}: {len(series)} signals of 3 sessions, "
                    f"{sessions_of(stored)[-3]} to {sessions_of(stored)[-1]}"]  # fmt: skip
    export_signals(stored, tmp_path / "out.csv", "default", "csv", sessions_of(stored)[-1], None)
    assert pl.read_csv(tmp_path / "out.csv").height == rows.height
    with pytest.raises(ConfigError, match="format: expected parquet, csv, qlib, found 'pickle'"):
        export_signals(stored, tmp_path / "out", "default", "pickle", None, None)


@pytest.fixture(scope="module")
def several_once(one_process, trained_folder, tmp_path_factory):
    """Half-hour bars, and signals of three sessions at 11:30 and 15:00 under the recipe `noon`; not to be changed."""
    workspace = intraday_workspace(tmp_path_factory.mktemp("halfhours") / "workspace")
    shutil.copytree(trained_folder / "runs" / "train", workspace.runs / "train")
    write_recipe(workspace, "noon", "samples: 2\nhorizon: 2\nasof: {times: [11:30, 15:00]}\n")
    write_recipe(workspace, "close", "samples: 2\nhorizon: 2\n")
    for name in ("noon", "close"):
        compute(workspace, name, sessions_of(workspace)[20:23])
    return workspace.root


@pytest.fixture
def several(several_once, tmp_path):
    """A copy of it, to change."""
    shutil.copytree(several_once, tmp_path / "halfhours")
    return open_workspace_folder(tmp_path / "halfhours")


def test_of_several_moments_a_session_the_last_is_shown_or_the_one_asked_for(several):
    sessions = sessions_of(several)
    newest = show_signals(several, "noon", None)
    assert newest.moments() == [datetime.combine(sessions[22], time(15))]
    assert newest.lines()[0] == f"4 symbols on {sessions[22]} 15:00, all scored (column last); all shown."
    assert list(newest.ends(1)[0])[:3] == ["date", "asof", "symbol"]
    assert show_signals(several, "noon", sessions[20]).frame.height == 3  # one symbol did not trade in the afternoon
    assert show_signals(several, "noon", datetime.combine(sessions[20], time(11, 30))).frame.height == 4
    with pytest.raises(DataError, match=f"noon: no signals asof {sessions[20]} 10:00") as caught:
        show_signals(several, "noon", datetime.combine(sessions[20], time(10)))
    assert caught.value.hint == "Decision times of that session: 11:30, 15:00."
    digest = open_source(several, "noon", workspace_market(several)).recipe.digest
    assert show_signals(several, digest, None).frame.equals(newest.frame)
    # at the close a session is one cross-section, also of those who saw their last bar before
    assert show_signals(several, "close", sessions[20]).frame["asof"].n_unique() == 2


def test_several_moments_are_listed_compared_tidied_and_exported(several, tmp_path):
    states = {row.recipes[0]: (row.state, len(row.dates)) for row in list_signals(several)}
    assert states == {"noon": ("complete", 3), "close": ("complete", 3)}
    alike = diff_signals(several, "noon", "noon", None, None, 2)
    assert alike.lines()[0] == "3 sessions in both (6 moments), 23 scores compared"
    both = diff_signals(several, "noon", "close", None, None, 2)
    # what is only asof 11:30 has no fellow among the closes
    assert both.by_date["asof"].dt.hour().unique().to_list() == [15]
    assert both.lines()[0].startswith("3 sessions in both, ")
    export_signals(several, tmp_path / "q.parquet", "noon", "qlib", None, None)
    series = pd.read_parquet(tmp_path / "q.parquet")["score"]
    assert series.index.is_unique
    assert len(series) == 23
    export_signals(several, tmp_path / "all.csv", "noon", "csv", None, None)
    assert pl.read_csv(tmp_path / "all.csv").height == 23
    gone = prune_signals(several, sessions_of(several)[21], delete=True)
    assert len(gone.files) == 2


def test_an_export_of_moments_comes_back_as_an_import(several, tmp_path):
    export_signals(several, tmp_path / "all.parquet", "noon", "parquet", None, None)
    table = pl.read_parquet(tmp_path / "all.parquet").select("asof", "symbol", pl.col("last").alias("score"))
    table.write_parquet(tmp_path / "again.parquet")
    Workspace(several).import_signals(tmp_path / "again.parquet", "again", horizon=2)
    compared = diff_signals(several, "noon", "again", None, None, 99)
    assert compared.by_date["rank_correlation"].to_list() == pytest.approx([1.0] * 6)
    assert compared.differences["first_rank"].to_list() == compared.differences["second_rank"].to_list()


def test_a_calibrated_recipe_exports_every_bar_of_the_path(trained_workspace, tmp_path):
    write_recipe(trained_workspace, "cal", "samples: 2\nhorizon: 2\ncalibration: {sessions: 20, least: 20}\n")
    dates = sessions_of(trained_workspace)[-2:]
    compute(trained_workspace, "cal", dates)
    export_signals(trained_workspace, tmp_path / "cal.parquet", "cal", "parquet", dates[0], None)
    found = pl.read_parquet(tmp_path / "cal.parquet")
    assert found["cal_path_q975"].dtype == pl.Array(pl.Float32, 2)
    assert found["cal_path_q05"].to_numpy()[:, 1] == pytest.approx(found["cal_q05"].to_numpy(), abs=1e-6)
    assert (found["cal_path_q025"].to_numpy() <= found["cal_path_q50"].to_numpy()).all()


def test_signals_of_an_older_version_are_listed_and_shown_and_nothing_is_mixed(stored):
    source = open_source(stored, "default", workspace_market(stored))
    old = stored.signal_store / ("0" * 16)
    shutil.copytree(source.store.folder, old)
    note = json.loads((old / "recipe.json").read_text())
    note["format"] = 2
    del note["recipe"]["asof"]
    (old / "recipe.json").write_text(json.dumps(note))
    for path in old.glob("*.parquet"):
        rows = pl.read_parquet(path).drop("q025", "q975", "path_q05", "path_q50", "path_q95")
        rows.write_parquet(path, metadata={"kq.seen": "old", "kq.format": "2"})
    states = {row.digest: row.state for row in list_signals(stored)}
    assert states[old.name] == "no recipe refers to it"
    assert show_signals(stored, old.name, None).score == "last"
    # the recipe of today has its own key, and what is under it stays as it is
    assert source.store.folder.name != old.name
    assert show_signals(stored, "default", None).digest == source.store.folder.name
    connection = open_market(stored.root).connect()
    attach_signals(connection, stored.signal_store)
    counted = connection.sql("SELECT recipe, count(q05), count(q025) FROM signals GROUP BY recipe").fetchall()
    rows = sum(pl.read_parquet(path).height for path in old.glob("*.parquet"))
    assert sorted(counted) == sorted([(old.name, rows, 0), (source.store.folder.name, rows, rows)])
    assert [folder.name for folder, _ in prune_signals(stored, None, delete=False).folders] == [old.name]
