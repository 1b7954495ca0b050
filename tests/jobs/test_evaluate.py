import json
import re
from datetime import date
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import yaml

from kronos_quant import CheckpointError, ConfigError, DataError
from kronos_quant.evaluation import Boundary, forward_returns, make_grid, rank_ic
from kronos_quant.jobs.evaluate import boundaries_of, run_evaluation, stored_dates
from kronos_quant.jobs.signals import open_source
from kronos_quant.jobs.trading import first_unseen
from kronos_quant.market import workspace_market
from kronos_quant.runs import finished_runs
from kronos_quant.signals import read_foreign, store_foreign


def bring_in(workspace, name, rows, horizon=3):
    """Import a table of scores as the recipe `name`."""
    market = workspace_market(workspace)
    (workspace.root / "signals" / f"{name}.yaml").write_text(f"imported: {name}\nscore: score\nhorizon: {horizon}\n")
    rows.write_csv(workspace.root / "scores.csv")
    store = open_source(workspace, name, market).store
    store_foreign(store, read_foreign(workspace.root / "scores.csv", market), replace=False)


def made_scores(workspace, see, dates=slice(60, None), horizon=3):
    """A score of every stock on some sessions: noise, and `see` parts of the returns to come."""
    market = workspace_market(workspace)
    stocks = market.instruments().filter(pl.col("kind") == "stock")["symbol"].to_list()
    grid = make_grid(market.bars(stocks), market.sessions(), market.universe("all"))
    returns = np.nan_to_num(forward_returns(grid.close, np.arange(len(grid.sessions)), horizon))
    rng = np.random.default_rng(0)
    scores = see * returns / returns.std() + rng.standard_normal(returns.shape)
    frame = pl.DataFrame(scores, schema=grid.symbols).with_columns(pl.Series("date", grid.sessions))
    tall = frame.unpivot(index="date", variable_name="symbol", value_name="score")
    return tall.filter(pl.col("date").is_in(grid.sessions[dates]))


def test_stored_signals_get_a_scorecard_and_a_whole_run(backtest_workspace):
    report = run_evaluation(backtest_workspace, "default", None, None, None)
    [run] = finished_runs(backtest_workspace.runs, "evaluate")
    assert report.folder == run.path
    names = ["config.yaml", "dates.parquet", "manifest.json", "metrics.json", "scorecard.html", "scorecard.parquet"]
    assert sorted(path.name for path in run.path.iterdir()) == names
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["finding"] == report.head()[0]
    assert (metrics["horizon"], metrics["universe"], metrics["score"]) == (3, "all", "last")
    market = workspace_market(backtest_workspace)
    assert metrics["missing_sessions"] == [str(market.sessions()[-1])]  # a back-test needs no scores of the last one
    assert metrics["contaminated_dates"] == 0
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    assert config["evaluation"]["start"] == metrics["first_date"]
    assert config["recipe"]["samples"] == 8
    source = open_source(backtest_workspace, "default", market)
    assert metrics["first_date"] == str(first_unseen(source))
    assert run.manifest()["inputs"]["weights"] == source.weights.digest


def test_its_rank_ic_is_that_of_a_pandas_frame(backtest_workspace):
    report = run_evaluation(backtest_workspace, "default", None, None, None)
    market = workspace_market(backtest_workspace)
    source = open_source(backtest_workspace, "default", market)
    scores = source.store.read(source.store.dates()).to_pandas().pivot(index="date", columns="symbol", values="last")
    close = market.bars().to_pandas().pivot(index="date", columns="symbol", values="close").astype(float)
    label = (close.shift(-3) / close - 1)[scores.columns].loc[scores.index]
    expected = scores.corrwith(label, axis=1, method="spearman").dropna()
    daily = pl.read_parquet(report.folder / "dates.parquet").filter(pl.col("contender") == "signal")
    found = daily.drop_nulls("rank_ic")
    assert found["date"].to_list() == [moment.date() for moment in expected.index]
    np.testing.assert_allclose(found["rank_ic"].to_numpy(), expected.to_numpy(), rtol=0, atol=1e-9)
    assert report.card.signal.ranking.rank_ic.mean == pytest.approx(expected.mean(), abs=1e-9)


def test_sessions_without_signals_are_named_with_their_command(backtest_workspace):
    source = open_source(backtest_workspace, "default", workspace_market(backtest_workspace))
    dates = source.store.dates()
    gone = [dates[5], dates[6], dates[9]]
    for on in gone:
        source.store.path(on).unlink()
    report = run_evaluation(backtest_workspace, "default", None, dates[-1], None)
    assert report.metrics["missing_sessions"] == gone
    command = f"kq signal --start {gone[0]} --end {gone[2]} --recipe default"
    assert report.lines()[0] == (
        f"recipe default: 3 sessions from {gone[0]} to {gone[2]} have no signals; to compute them: {command}"
    )
    assert len(report.card.dates) == len(dates)
    assert np.isnan(report.card.signal.ranking.rank_ic_by_date[[5, 6, 9]]).all()


def test_a_range_without_signals_is_refused_with_the_command(trained_workspace):
    market = workspace_market(trained_workspace)
    first, last = market.sessions()[-4], market.sessions()[-1]
    with pytest.raises(DataError, match=f"recipe default: no signals in the store from {first} to {last}") as caught:
        run_evaluation(trained_workspace, "default", first, None, None)
    assert caught.value.hint == f"kq signal --start {first} --end {last} --recipe default"
    assert not (trained_workspace.runs / "evaluate").exists()


def test_a_restated_bar_makes_the_signals_that_saw_it_missing(backtest_workspace, monkeypatch):
    source = open_source(backtest_workspace, "default", workspace_market(backtest_workspace))
    dates = source.store.dates()
    there, missing = stored_dates(source, dates)
    assert (sorted(there), missing) == (dates, [])
    monkeypatch.setattr("kronos_quant.signals.store.SignalStore.holds", lambda self, on, seen: on != dates[2])
    assert stored_dates(source, dates)[1] == [dates[2]]


@pytest.mark.parametrize(("see", "kind"), [(0.0, "no edge"), (1.0, "edge")])
def test_planted_and_pure_noise_scores_are_told_apart(market_workspace, see, kind):
    bring_in(market_workspace, "mine", made_scores(market_workspace, see))
    report = run_evaluation(market_workspace, "mine", None, None, None)
    assert report.metrics["kind"] == kind
    assert report.metrics["model_has_seen"] == {"data behind the imported signals": None}
    if kind == "edge":
        assert report.head()[0].startswith("EDGE, if the model never saw these dates")


def test_imported_signals_are_evaluated_from_their_first_session(market_workspace):
    bring_in(market_workspace, "mine", made_scores(market_workspace, 1.0, slice(30, 90)))
    sessions = workspace_market(market_workspace).sessions()
    report = run_evaluation(market_workspace, "mine", None, None, None)
    assert (report.card.dates[0], report.card.dates[-1]) == (sessions[30], sessions[89])
    part = run_evaluation(market_workspace, "mine", sessions[40], sessions[60], None)
    assert (part.card.dates[0], part.card.dates[-1]) == (sessions[40], sessions[60])


def test_other_recipes_stand_beside_the_signal(market_workspace):
    bring_in(market_workspace, "good", made_scores(market_workspace, 2.0))
    bring_in(market_workspace, "poor", made_scores(market_workspace, 0.0), horizon=5)
    report = run_evaluation(market_workspace, "good", None, None, None, ["poor"])
    poor = report.card.cards[-1]
    assert poor.name == "recipe poor"
    assert poor.ranking.ahead.above_zero
    assert "better than" in report.head()[-1]
    assert "recipe poor" in report.head()[-1]
    with pytest.raises(ConfigError, match="--against good: is given twice, or is the signal itself"):
        run_evaluation(market_workspace, "good", None, None, None, ["good"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (pl.lit(1.0), "all scores of every date are equal"),
        (pl.when(pl.col("symbol") == "MADE0000").then("score"), "found at most 1"),
    ],
)
def test_scores_that_cannot_rank_get_a_card_that_says_so(market_workspace, change, words):
    scores = made_scores(market_workspace, 0.0).with_columns(score=change)
    bring_in(market_workspace, "mine", scores.drop_nulls())
    report = run_evaluation(market_workspace, "mine", None, None, None)
    assert report.head()[0].startswith("TOO FEW DATES TO SAY")
    assert words in report.head()[0]
    assert report.page.read_text().count("TOO FEW DATES TO SAY") == 1


def test_scores_that_are_nan_are_no_opinion(market_workspace):
    scores = made_scores(market_workspace, 1.0)
    odd = pl.col("symbol").str.slice(-1).cast(pl.Int64) % 2 == 1
    holed = scores.with_columns(score=pl.when(odd).then(float("nan")).otherwise("score"))
    bring_in(market_workspace, "mine", holed)
    report = run_evaluation(market_workspace, "mine", None, None, None)
    assert report.metrics["contenders"]["signal"]["coverage"] == pytest.approx(0.5, abs=0.1)
    assert report.metrics["edge"]


def test_the_newest_sessions_alone_have_no_return_yet(market_workspace):
    bring_in(market_workspace, "mine", made_scores(market_workspace, 1.0, slice(-2, None)))
    report = run_evaluation(market_workspace, "mine", None, None, None)
    assert "no return over 3 sessions is known yet" in report.head()[0]


def test_a_universe_counts_its_members_only(market_workspace):
    from kronos_quant.market import ingest_universe

    bring_in(market_workspace, "mine", made_scores(market_workspace, 1.0))
    sessions = workspace_market(market_workspace).sessions()
    listed = [f"MADE{i:04d},{sessions[0]},{sessions[-1]}" for i in range(6)]
    (market_workspace.root / "half.csv").write_text("symbol,start,end\n" + "\n".join(listed) + "\n")
    ingest_universe(market_workspace.root, "half", market_workspace.root / "half.csv")
    report = run_evaluation(market_workspace, "mine", None, None, "half")
    assert report.card.universe == "half"
    assert report.card.pairs.most_symbols <= 6
    with pytest.raises(DataError, match="universe 'csi300' is unknown"):
        run_evaluation(market_workspace, "mine", None, None, "csi300")


def test_a_failure_leaves_no_run(market_workspace, monkeypatch):
    bring_in(market_workspace, "mine", made_scores(market_workspace, 1.0))

    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("kronos_quant.report.scorecard_page.write_scorecard_page", fail)
    with pytest.raises(KeyboardInterrupt):
        run_evaluation(market_workspace, "mine", None, None, None)
    assert list((market_workspace.runs / "evaluate").iterdir()) == []


def test_it_is_the_same_twice(market_workspace):
    bring_in(market_workspace, "mine", made_scores(market_workspace, 0.5))
    first, second = (run_evaluation(market_workspace, "mine", None, None, None) for _ in range(2))
    for name in ("metrics.json", "scorecard.html"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    for name in ("scorecard.parquet", "dates.parquet"):
        assert pl.read_parquet(first.folder / name).equals(pl.read_parquet(second.folder / name))


def of_model(card):
    """A recipe of a model with this card."""
    recipe = SimpleNamespace(recipe=SimpleNamespace(imported=None))
    return SimpleNamespace(recipe=recipe, members=(), weights=SimpleNamespace(card=card))


TARGETS = {"train": ["2020-01-01T00:00", "2023-06-30T00:00"], "val": ["2023-07-03T00:00", "2023-09-29T00:00"]}


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({"base": "scratch (nano)", "targets": TARGETS}, [("training data", date(2023, 9, 29))]),
        ({"base": "NeoQuasar/Kronos-small", "targets": TARGETS},
         [("training data", date(2023, 9, 29)), ("pre-training data", None)]),
        ({"base": "mine", "targets": TARGETS, "pretraining_cutoff": "2024-06-30"},
         [("training data", date(2023, 9, 29)), ("pre-training data", date(2024, 6, 30))]),
        ({}, [("training data", None), ("pre-training data", None)]),
    ],
)  # fmt: skip
def test_a_card_says_until_when_its_model_has_seen_data(card, expected):
    assert boundaries_of(of_model(card)) == tuple(Boundary(*pair) for pair in expected)


def test_a_blend_has_seen_what_any_of_its_members_has():
    later = {part: [day.replace("2023", "2024") for day in span] for part, span in TARGETS.items()}
    members = tuple(of_model({"base": "scratch (nano)", "targets": targets}) for targets in (later, TARGETS))
    blend = SimpleNamespace(recipe=SimpleNamespace(recipe=SimpleNamespace(imported=None)), members=members)
    assert boundaries_of(blend) == (Boundary("training data", date(2024, 9, 29)),)
    unknown = SimpleNamespace(recipe=blend.recipe, members=(*members, of_model({"base": "scratch"})))
    assert boundaries_of(unknown) == (Boundary("training data", None),)


def test_a_card_with_a_date_that_is_none_is_refused():
    message = "card.json: expected a date, found 'last summer'"
    with pytest.raises(CheckpointError, match=re.escape(message)):
        boundaries_of(of_model({"base": "mine", "pretraining_cutoff": "last summer"}))


def test_the_correlations_of_the_card_are_those_of_the_room(market_workspace):
    scores = made_scores(market_workspace, 1.0)
    bring_in(market_workspace, "mine", scores)
    report = run_evaluation(market_workspace, "mine", None, None, None)
    market = workspace_market(market_workspace)
    grid = make_grid(market.bars(), market.sessions(), market.universe("all"))
    rows = grid.rows(report.card.dates)
    expected = rank_ic(
        np.where(grid.member[rows], grid.spread(scores, "score")[rows], np.nan), forward_returns(grid.close, rows, 3)
    )
    np.testing.assert_allclose(report.card.signal.ranking.rank_ic_by_date, expected, atol=1e-12)


def with_quantiles(scores, levels, spread):
    """The table with quantiles around 0, each `spread` per unit of its level from the middle."""
    return scores.with_columns(
        *(pl.lit(spread * (level - 0.5)).alias(f"q{round(100 * level):02d}") for level in levels),
        pl.lit(0.5).alias("p_rise"),
    )


def test_a_distribution_of_other_quantiles_is_not_compared(market_workspace):
    scores = made_scores(market_workspace, 1.0)
    bring_in(market_workspace, "mine", with_quantiles(scores, (0.05, 0.5, 0.95), 0.1))
    bring_in(market_workspace, "alike", with_quantiles(scores, (0.05, 0.5, 0.95), 0.3))
    bring_in(market_workspace, "finer", with_quantiles(scores, (0.05, 0.25, 0.5, 0.75, 0.95), 0.1))
    bring_in(market_workspace, "ranks", scores)
    report = run_evaluation(market_workspace, "mine", None, None, None, ["alike", "finer", "ranks"])
    said = [one.name for one in report.card.cards if one.distribution is not None]
    assert said == ["signal", "last close", "volatility band", "recipe alike"]
    assert report.lines()[0] == "recipe finer: another horizon or other quantiles: only its ranking is compared."
    assert sum("only its ranking" in line for line in report.lines()) == 1


def test_a_recipe_that_calibrates_shows_its_quantiles_before_and_after(backtest_workspace):
    recipe = (backtest_workspace.root / "signals" / "default.yaml").read_text()
    (backtest_workspace.root / "signals" / "cal.yaml").write_text(recipe + "calibration: {sessions: 20, least: 30}\n")
    sessions = workspace_market(backtest_workspace).sessions()
    report = run_evaluation(backtest_workspace, "cal", sessions[-16], None, None)
    cards = {one.name: one.distribution for one in report.card.cards}
    assert cards["uncalibrated"].levels == cards["signal"].levels
    assert cards["uncalibrated"].coverage[0.9].mean != cards["signal"].coverage[0.9].mean
    # the sessions before the range that the calibration looks back on are missed too
    assert min(report.metrics["missing_sessions"]) < sessions[-16]


def test_a_blend_is_evaluated_where_all_its_members_have_signals(market_workspace):
    bring_in(market_workspace, "early", made_scores(market_workspace, 1.0, slice(40, 100)))
    bring_in(market_workspace, "late", made_scores(market_workspace, 1.0, slice(60, 130)))
    (market_workspace.root / "signals" / "both.yaml").write_text("members: [early, late]\nhorizon: 3\n")
    sessions = workspace_market(market_workspace).sessions()
    report = run_evaluation(market_workspace, "both", None, None, None)
    assert (report.card.dates[0], report.card.dates[-1]) == (sessions[60], sessions[99])
    assert report.metrics["model_has_seen"] == {"data behind the imported signals": None}
    assert report.card.score == "score"


def test_every_scored_pair_is_accounted_for(market_workspace):
    bring_in(market_workspace, "mine", made_scores(market_workspace, 0.0, slice(40, None)))
    report = run_evaluation(market_workspace, "mine", None, None, None)
    counts = report.metrics["pairs"]
    assert counts["scored"] == counts["known"] + counts["not_yet"] + counts["without_bar"]
    # of at most 12 stocks on the 3 newest sessions
    assert 0 < counts["not_yet"] <= 36
