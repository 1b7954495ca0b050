import json
import re
from datetime import date

import polars as pl
import pytest
import yaml
from made import write_scores

from kronos_quant import ConfigError, DataError, schema
from kronos_quant.backtest import Strategy, inputs
from kronos_quant.market import BarBatch, Market, open_market, store_bars
from kronos_quant.runs import finished_runs
from kronos_quant.signals import Recipe
from kronos_quant.training import BEST
from kronos_quant.workflows import backtest as job
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workflows.workspace import Workspace

BASE = "topk: 4\nn_drop: 1\nhold_thresh: 2\naccount: 1_000_000\n"


def strategy(workspace, name, lines):
    (workspace.root / "strategies" / f"{name}.yaml").write_text(BASE + lines)
    return name


def card_of(workspace):
    [run] = finished_runs(workspace.runs, "train")
    return run.path / BEST / "card.json"


def test_a_backtest_leaves_everything_in_its_folder(backtest):
    _, summary = backtest
    assert sorted(path.name for path in summary.folder.iterdir()) == [
        "config.yaml",
        "contributors.parquet",
        "drawdowns.parquet",
        "exposures.parquet",
        "fills.parquet",
        "manifest.json",
        "metrics.json",
        "months.parquet",
        "orders.parquet",
        "performance.png",
        "positions.parquet",
        "report.txt",
        "returns.parquet",
        "rolling.parquet",
        "tearsheet.html",
        "years.parquet",
    ]
    assert (summary.folder / "report.txt").read_text() == summary.report
    assert summary.tearsheet.read_text().startswith("<!DOCTYPE html>")
    assert (summary.folder / "performance.png").read_bytes().startswith(b"\x89PNG")
    for table in ("orders", "fills", "positions"):
        assert pl.read_parquet(summary.folder / f"{table}.parquet").equals(getattr(summary, table))


def test_the_manifest_names_bars_weights_code_seeds_and_versions(backtest):
    workspace, summary = backtest
    manifest = json.loads((summary.folder / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["inputs"] == {
        "snapshot": open_market(workspace.root).snapshot.digest,
        "weights": summary.signals.recipe.weights,
        "seeds": {"sampling": 0},
    }
    assert manifest["code"]["version"]
    assert {"vectorbt", "torch", "polars", "quantstats"} <= set(manifest["packages"])


def test_the_config_left_is_resolved_and_can_be_read_again(backtest):
    _, summary = backtest
    config = yaml.safe_load((summary.folder / "config.yaml").read_text())
    assert Strategy.model_validate(config["strategy"]) == summary.strategy
    assert Recipe.model_validate(config["recipe"]) == summary.signals.recipe.recipe


def test_the_metrics_say_what_was_used_and_are_valid_json(backtest):
    workspace, summary = backtest
    metrics = json.loads((summary.folder / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics["benchmark"] == "MADE_INDEX"
    assert metrics["recipe"] == summary.signals.recipe.digest
    [trained] = finished_runs(workspace.runs, "train")
    assert metrics["model"] == trained.id
    assert metrics["trades"] == summary.fills.height > 0
    assert metrics["rejected"] == sum(summary.orders["status"] == "rejected")
    assert metrics["rejections"] == summary.rejections
    growth = pl.read_parquet(summary.folder / "returns.parquet")["return"] + 1
    assert metrics["total_return"] == pytest.approx(growth.product() - 1)


def test_the_period_starts_where_the_models_data_end(backtest):
    workspace, summary = backtest
    first = date.fromisoformat(json.loads(card_of(workspace).read_text())["targets"]["test"][0][:10])
    sessions = open_market(workspace.root).sessions()
    unseen = [on for on in sessions if on >= first]
    # scores of the first unseen session trade at the second
    assert list(summary.dates) == unseen[1:]
    assert summary.signals.frame["date"].unique().sort().to_list() == unseen[:-1]
    assert "CONTAMINATED" not in summary.report
    assert not any("unseen" in note or "scores are missing" in note for note in summary.figures["notes"])


def test_a_period_that_the_model_has_seen_is_called_contaminated(backtest_workspace):
    sessions = open_market(backtest_workspace.root).sessions()
    first = json.loads(card_of(backtest_workspace).read_text())["targets"]["test"][0][:10]
    start = sessions[sessions.index(date.fromisoformat(first)) - 3]
    summary = run_backtest(
        backtest_workspace, strategy(backtest_workspace, "seen", f"start: {start}\n"), device="cpu", page=False
    )
    count = len(summary.dates) + 1
    note = f"CONTAMINATED: 3 of {count} sessions lie before {first}"
    assert any(said.startswith(note) for said in summary.figures["notes"])
    assert "CONTAMINATED: 3 of" in " ".join(summary.report.split())
    assert (summary.signals.computed, summary.signals.present) == (3, count - 4)


def test_a_model_without_a_card_may_be_contaminated_and_is_tested_on_the_newest_sessions(
    backtest_workspace, monkeypatch
):
    card_of(backtest_workspace).unlink()
    (backtest_workspace.root / "signals" / "default.yaml").write_text("samples: 4\nhorizon: 2\nlookback_window: 16\n")
    monkeypatch.setattr("kronos_quant.signals.source.UNKNOWN_MODEL_SESSIONS", 6)
    summary = run_backtest(backtest_workspace, "topk", device="cpu", page=False)
    assert list(summary.dates) == open_market(backtest_workspace.root).sessions()[-5:]
    assert summary.figures["notes"] == [
        "The end date of the training data is unknown, so look-ahead contamination cannot be ruled out."
    ]


def test_start_and_end_of_the_strategy_are_kept_to(backtest_workspace):
    sessions = open_market(backtest_workspace.root).sessions()
    name = strategy(backtest_workspace, "short", f"start: {sessions[-6]}\nend: {sessions[-3]}\n")
    summary = run_backtest(backtest_workspace, name, device="cpu", page=False, compute=False)
    assert list(summary.dates) == sessions[-5:-2]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("end: 1999-01-01\n", "1999-01-01 is before the data, which begin on"),
        ("start: 2031-01-01\n", "2031-01-01 is after the data, which end on 2025-06-05"),
        ("start: 2025-06-05\n", "needs at least 2 sessions, found 1 from 2025-06-05 to 2025-06-05"),
    ],
)
def test_a_period_that_the_data_do_not_have_is_refused(backtest_workspace, lines, message):
    with pytest.raises(DataError, match=message):
        run_backtest(
            backtest_workspace, strategy(backtest_workspace, "wrong", lines), device="cpu", page=False, compute=False
        )


def test_refusing_to_compute_leaves_no_run_and_no_signals(trained_workspace):
    with pytest.raises(DataError, match=r"28 of 28 sessions \(2025-04-25 to 2025-06-04\) have no signals yet"):
        run_backtest(trained_workspace, "topk", device="cpu", page=False, compute=False)
    assert not (trained_workspace.runs / "backtest").exists()
    assert not trained_workspace.signal_store.exists()


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        (
            "score: symbol\n",
            ConfigError,
            "score_column: expected one of mean, last, max, min, median, p_rise.*, found 'symbol'",
        ),
        ("universe: csi300\n", DataError, "unknown universe 'csi300'; available: all"),
        ("benchmark: SH000300\n", DataError, "unknown symbol 'SH000300'"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_computed(trained_workspace, lines, error, message):
    with pytest.raises(error, match=message):
        run_backtest(trained_workspace, strategy(trained_workspace, "wrong", lines), device="cpu", page=False)
    assert not trained_workspace.signal_store.exists()


def test_the_score_of_the_strategy_comes_before_that_of_the_recipe(backtest_workspace):
    by_rise = run_backtest(
        backtest_workspace, strategy(backtest_workspace, "rise", "score: p_rise\n"), device="cpu", page=False
    )
    first = by_rise.signals.frame.filter(pl.col("date") == pl.col("date").min())
    ranked = first.sort("p_rise", "symbol", descending=[True, False])["symbol"].head(4).to_list()
    orders = by_rise.orders
    assert sorted(orders.filter(pl.col("date") == pl.col("date").min())["symbol"]) == sorted(ranked)
    assert by_rise.signals.computed == 0


def test_only_members_of_the_strategys_universe_are_traded(backtest_workspace):
    market = open_market(backtest_workspace.root)
    sessions = market.sessions()
    spans = [("few", f"MADE000{i}", sessions[0], sessions[-1]) for i in range(3)]
    spans.append(("few", "MADE0003", sessions[0], sessions[-10]))
    bars = market.bars(["MADE0000"])
    store_bars(
        backtest_workspace.root,
        BarBatch(
            source="test",
            path=None,
            freq=schema.DAILY,
            bars=bars,
            instruments=market.instruments().filter(pl.col("symbol") == "MADE0000"),
            universes=pl.DataFrame(spans, schema=schema.UNIVERSES, orient="row"),
            sessions=sessions,
            exchange="XNYS",
        ),
    )
    name = strategy(backtest_workspace, "few", "universe: few\n")
    summary = run_backtest(backtest_workspace, name, device="cpu", page=False, compute=False)
    bought = summary.fills.filter(pl.col("side") == "buy")
    assert set(bought["symbol"]) <= {"MADE0000", "MADE0001", "MADE0002", "MADE0003"}
    # the score of its last day as a member still trades the day after
    assert bought.filter(pl.col("symbol") == "MADE0003")["date"].max() <= sessions[-9]


def test_without_a_benchmark_there_are_no_excess_figures(backtest_workspace, backtest):
    name = strategy(backtest_workspace, "alone", "benchmark: none\n")
    summary = run_backtest(backtest_workspace, name, device="cpu", page=False)
    assert summary.figures["benchmark"] is None
    beside = {key for key in summary.figures if key.startswith(("benchmark_", "excess_"))}
    beside |= {"alpha", "beta", "information_ratio", "tracking_error"}
    assert len(beside) == 16
    assert all(summary.figures[key] is None for key in beside)
    assert "annual excess" not in summary.report
    # a script finds the same keys in every run
    assert summary.figures.keys() == backtest[1].figures.keys()
    assert not any("enchmark" in note for note in summary.figures["notes"])


def test_a_market_without_an_index_has_no_benchmark_and_says_so(backtest_workspace, monkeypatch):
    monkeypatch.setattr(Market, "benchmark", lambda self, choice: None)
    summary = run_backtest(backtest_workspace, "topk", device="cpu", page=False)
    assert summary.figures["notes"][-1] == (
        "No benchmark: there is no index among the instruments (set `benchmark` in the strategy)."
    )


def test_what_changed_the_result_is_told_first_with_its_worth(backtest):
    figures, text = backtest[1].figures, backtest[1].report
    first, effect = figures["notes"][0], figures["effects"][0]
    name, worth = effect["name"], effect["basis_points"]
    assert first.startswith(f"{name[:1].upper()}{name[1:]}: {worth:+,.0f} bps per year (annual return without: ")
    assert worth == pytest.approx((figures["annual_return"] - effect["annual_return"]) * 1e4)
    sizes = [abs(each["basis_points"]) for each in figures["effects"]]
    assert sizes == sorted(sizes, reverse=True)
    assert text.index("Read this first") < text.index(first[:40]) < text.index("Significance")


def test_a_benchmark_can_be_any_symbol(backtest_workspace):
    name = strategy(backtest_workspace, "stock", "benchmark: made0001\n")
    assert run_backtest(backtest_workspace, name, device="cpu", page=False).figures["benchmark"] == "MADE0001"


def test_a_failure_in_the_middle_leaves_no_run_folder(backtest_workspace, monkeypatch):
    before = sorted((backtest_workspace.runs / "backtest").iterdir())

    def fail(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "write_tearsheet", fail)
    with pytest.raises(KeyboardInterrupt):
        run_backtest(backtest_workspace, "topk", device="cpu", page=True)
    assert sorted((backtest_workspace.runs / "backtest").iterdir()) == before


def test_equal_inputs_give_equal_figures(backtest, backtest_workspace):
    again = run_backtest(backtest_workspace, "topk", device="cpu", page=False)
    assert again.folder.name != backtest[1].folder.name
    assert str(again.figures) == str(backtest[1].figures)  # NaN equals itself here
    assert again.orders.equals(backtest[1].orders)


def test_listings_and_special_treatment_that_were_ingested_reach_the_rules(market_workspace, tmp_path):
    from kronos_quant.market import ingest_intervals

    assert inputs.facts_of(open_market(market_workspace.root)).st == []
    (tmp_path / "listing.csv").write_text("symbol,start,end,value\nSH601000,2015-01-05,,5.5\nSH688001,2020-07-16,,\n")
    (tmp_path / "st.csv").write_text("symbol,start,end\nSH601000,2024-05-06,2024-12-31\n")
    ingest_intervals(market_workspace.root, "listing", tmp_path / "listing.csv")
    ingest_intervals(market_workspace.root, "st", tmp_path / "st.csv")
    facts = inputs.facts_of(open_market(market_workspace.root))
    assert facts.st == [("SH601000", date(2024, 5, 6), date(2024, 12, 31))]
    assert facts.listed == {"SH601000": date(2015, 1, 5), "SH688001": date(2020, 7, 16)}
    assert facts.issue_price == {"SH601000": 5.5}


def test_the_report_states_the_costs_that_were_used_and_who_took_them(backtest):
    _, summary = backtest
    text = " ".join(summary.report.split())
    assert "commission 0%, no minimum; SEC fee 0.00278% of sales" in text
    assert "FINRA fee 0.000166 per share sold, at most 8.3" in text
    assert "252 sessions per year" in text
    assert summary.figures["cost"] == pytest.approx(summary.figures["levies"] + summary.figures["impact"])
    assert "taxes and fees" in summary.tearsheet.read_text()


def scores_file(workspace):
    """Scores of the newest sessions but the last; the market's sessions."""
    return write_scores(workspace, "scores.parquet", 12, without_newest=True)


def test_scores_from_a_file_need_no_model(market_workspace, monkeypatch):
    sessions = scores_file(market_workspace)
    name = strategy(market_workspace, "own", "scores: scores.parquet\n")
    summary = run_backtest(market_workspace, name, device="cpu", page=False)
    assert list(summary.dates) == sessions[-11:]
    assert summary.signals is None
    assert summary.figures["trades"] > 0
    assert summary.figures["model"] is None
    assert re.search(r"^ *scores +scores\.parquet", summary.report, re.MULTILINE)
    assert "whether their model has seen these dates is unknown" in " ".join(summary.report.split())


def test_imported_signals_are_traded_from_their_first_session_to_the_one_after_their_last(
    market_workspace, monkeypatch
):
    sessions = scores_file(market_workspace)
    path = market_workspace.root / "scores.parquet"
    pl.read_parquet(path).filter(pl.col("date") < sessions[-2]).rename({"score": "alpha"}).write_parquet(path)
    Workspace(market_workspace).import_signals(path, "mine")
    summary = run_backtest(
        market_workspace, strategy(market_workspace, "own", "signal: mine\n"), device="cpu", page=False
    )
    assert list(summary.dates) == sessions[-11:-1]
    assert summary.figures["trades"] > 0
    assert "The scores are external" in " ".join(summary.report.split())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("date,symbol\n2025-06-02,MADE0000\n", "which column ranks"),
        ("date,symbol,score\nyesterday,MADE0000,1\n", "own.csv: "),
        ("date,symbol,score\n1999-01-04,MADE0000,1\n", "no score in any session"),
    ],
)
def test_a_file_that_holds_no_scores_is_refused(market_workspace, content, message):
    (market_workspace.root / "own.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        run_backtest(market_workspace, strategy(market_workspace, "own", "scores: own.csv\n"), device="cpu", page=False)
    missing = strategy(market_workspace, "gone", "scores: nowhere.csv\n")
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        run_backtest(market_workspace, missing, device="cpu", page=False)


def test_bars_that_the_checks_rejected_are_there_for_the_profile_qlib(market_workspace):
    market = open_market(market_workspace.root)
    bars = market.bars()
    bad = bars.filter(pl.col("symbol") == "MADE0000").head(4).with_columns(
        open=pl.Series([20.0, float("nan"), 0.0, 20.0], dtype=pl.Float32), symbol=pl.lit("MADE9999")
    )  # fmt: skip
    from kronos_quant.market import ingest_table

    ingest_table(market_workspace.root, bad.drop("date"), exchange="XNYS")
    market = open_market(market_workspace.root)
    accepted = market.bars()
    whole = inputs.bars_of_source(market, bars["date"].min())
    assert len(accepted.filter(pl.col("symbol") == "MADE9999")) <= 2
    assert whole.filter(pl.col("symbol") == "MADE9999")["date"].n_unique() == 4
    assert len(whole) == len(whole.unique(["symbol", "date"]))


@pytest.mark.parametrize("lines", ["", "profile: qlib\n"])
def test_parity_holds_on_a_workspace_whose_bars_come_from_no_qlib_directory(market_workspace, lines):
    from kronos_quant.workflows.parity import run_parity

    scores_file(market_workspace)
    report = run_parity(
        market_workspace, strategy(market_workspace, "own", f"scores: scores.parquet\n{lines}"), device="cpu"
    )
    assert report.found.holds
    assert report.directory == "made from the workspace's bars"
    text = "\n".join(report.lines())
    assert "equal, the same" in text
    assert "commission and dated levies" in text
    assert "PYTHONHASHSEED" in text
    assert report.as_dict()["holds"] is True


def test_a_users_own_code_runs_only_where_that_is_allowed(market_workspace, monkeypatch):
    scores_file(market_workspace)
    code = market_workspace.root / "strategies" / "own.py"
    code.write_text("raise SystemExit('ran')\n")
    name = strategy(market_workspace, "own", "scores: scores.parquet\nstrategy: python\ncode: strategies/own.py\n")
    with pytest.raises(ConfigError, match=r"own\.py: the strategy runs Python code") as error:
        run_backtest(market_workspace, name, device="cpu", page=False)
    assert "--allow-code" in error.value.hint
    code.write_text("def decide(view):\n    return {view.symbols[view.number % 3]: 0.5}\n")
    summary = run_backtest(market_workspace, name, device="cpu", page=False, allow_code=True)
    assert summary.figures["trades"] > 10
    assert "the function decide in strategies/own.py" in summary.report
