import json
import re

import numpy as np
import polars as pl
import pytest
import scoringrules
import torch
import yaml
from made import intraday_workspace

from kronos_quant import ConfigError, DataError
from kronos_quant.evaluation.grid import make_grid
from kronos_quant.market import workspace_market
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer
from kronos_quant.panel.matrix import forward_returns
from kronos_quant.runs import finished_runs
from kronos_quant.signals import open_source
from kronos_quant.signals.importing import read_external, store_external
from kronos_quant.stats.correlation import rank_ic
from kronos_quant.workflows.evaluate import run_evaluation
from kronos_quant.workflows.signal_store import list_signals, prune_signals


def bring_in(workspace, name, rows, horizon=3):
    """Import a table of scores as the recipe `name`."""
    market = workspace_market(workspace)
    (workspace.root / "signals" / f"{name}.yaml").write_text(f"imported: {name}\nscore: score\nhorizon: {horizon}\n")
    rows.write_csv(workspace.root / "scores.csv")
    store = open_source(workspace, name, market).store
    store_external(store, read_external(workspace.root / "scores.csv", market), replace=False)


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
    assert metrics["first_date"] == str(source.first_unseen())
    assert run.manifest()["inputs"]["weights"] == source.recipe.weights


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
    assert report.signal.ranking.rank_ic.mean == pytest.approx(expected.mean(), abs=1e-9)


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
        f"recipe default: 3 sessions from {gone[0]} to {gone[2]} have no signals; compute them with {command}"
    )
    assert len(report.dates) == len(dates)
    assert np.isnan(report.signal.ranking.rank_ic_by_date[[5, 6, 9]]).all()


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
    there, missing = source.coverage(dates)
    assert (sorted(there), missing) == (dates, [])
    monkeypatch.setattr("kronos_quant.signals.store.SignalStore.holds", lambda self, on, seen: on != dates[2])
    assert source.coverage(dates)[1] == [dates[2]]


@pytest.mark.parametrize(("see", "kind"), [(0.0, "no edge"), (1.0, "edge")])
def test_planted_and_pure_noise_scores_are_told_apart(market_workspace, see, kind):
    bring_in(market_workspace, "mine", made_scores(market_workspace, see))
    report = run_evaluation(market_workspace, "mine", None, None, None)
    assert report.metrics["kind"] == kind
    assert report.metrics["model_has_seen"] == {"data behind the imported signals": None}
    if kind == "edge":
        assert report.head()[0].startswith("EDGE (provided that the model was not trained on these dates")


def test_imported_signals_are_evaluated_from_their_first_session(market_workspace):
    bring_in(market_workspace, "mine", made_scores(market_workspace, 1.0, slice(30, 90)))
    sessions = workspace_market(market_workspace).sessions()
    report = run_evaluation(market_workspace, "mine", None, None, None)
    assert (report.dates[0], report.dates[-1]) == (sessions[30], sessions[89])
    part = run_evaluation(market_workspace, "mine", sessions[40], sessions[60], None)
    assert (part.dates[0], part.dates[-1]) == (sessions[40], sessions[60])


def test_other_recipes_stand_beside_the_signal(market_workspace):
    bring_in(market_workspace, "good", made_scores(market_workspace, 2.0))
    bring_in(market_workspace, "poor", made_scores(market_workspace, 0.0), horizon=5)
    report = run_evaluation(market_workspace, "good", None, None, None, ["poor"])
    poor = report.cards[-1]
    assert poor.name == "recipe poor"
    assert poor.ranking.ahead.above_zero
    assert "better than" in report.head()[-1]
    assert "recipe poor" in report.head()[-1]
    with pytest.raises(ConfigError, match="--against good: given twice, or the recipe itself"):
        run_evaluation(market_workspace, "good", None, None, None, ["good"])


@pytest.mark.parametrize(
    ("change", "begins", "words"),
    [
        (pl.lit(1.0), "NO RANK IC", "on every date all scores are equal"),
        (pl.when(pl.col("symbol") == "MADE0001").then("score"), "NO RANK IC", "found at most 1"),
    ],
)
def test_scores_that_cannot_rank_get_a_card_that_says_so(market_workspace, change, begins, words):
    scores = made_scores(market_workspace, 0.0).with_columns(score=change)
    bring_in(market_workspace, "mine", scores.drop_nulls())
    report = run_evaluation(market_workspace, "mine", None, None, None)
    assert report.head()[0].startswith(begins)
    assert words in report.head()[0]
    assert report.page.read_text().count(begins) == 1


def test_of_one_symbol_the_figures_over_time_are_given(market_workspace):
    scores = made_scores(market_workspace, 1.0).filter(pl.col("symbol") == "MADE0001")
    bring_in(market_workspace, "mine", with_quantiles(scores, (0.05, 0.5, 0.95), 0.1))
    report = run_evaluation(market_workspace, "mine", None, None, None)
    metrics = json.loads((report.folder / "metrics.json").read_text())
    assert (metrics["kind"], metrics["edge"]) == ("nobody to rank", False)
    close = workspace_market(market_workspace).bars(["MADE0001"]).select("date", pl.col("close").cast(pl.Float64))
    realised = close.with_columns(later=pl.col("close").shift(-3) / pl.col("close") - 1)
    pairs = scores.join(realised, on="date").drop_nulls()
    over_time = metrics["contenders"]["signal"]["over_time"]
    assert over_time["correlation"]["mean"] == pytest.approx(pairs.select(pl.corr("score", "later")).item(), abs=1e-9)
    assert over_time["correlation"]["low"] > 0
    assert metrics["contenders"]["signal"]["distribution"]["cells"] == pairs.height
    assert "correlation over time" in report.rows()[0]
    assert ">Ranking<" not in report.page.read_text()


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
    assert report.universe == "half"
    assert report.pairs.most_symbols <= 6
    with pytest.raises(DataError, match="unknown universe 'csi300'"):
        run_evaluation(market_workspace, "mine", None, None, "csi300")


def test_a_failure_leaves_no_run(market_workspace, monkeypatch):
    bring_in(market_workspace, "mine", made_scores(market_workspace, 1.0))

    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("kronos_quant.report.pages.scorecard.write_scorecard_page", fail)
    with pytest.raises(KeyboardInterrupt):
        run_evaluation(market_workspace, "mine", None, None, None)
    assert list((market_workspace.runs / "evaluate").iterdir()) == []


@pytest.mark.slow
def test_it_is_the_same_twice(market_workspace):
    bring_in(market_workspace, "mine", made_scores(market_workspace, 0.5))
    first, second = (run_evaluation(market_workspace, "mine", None, None, None) for _ in range(2))
    for name in ("metrics.json", "scorecard.html"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    for name in ("scorecard.parquet", "dates.parquet"):
        assert pl.read_parquet(first.folder / name).equals(pl.read_parquet(second.folder / name))


def test_the_correlations_of_the_card_are_those_of_the_room(market_workspace):
    scores = made_scores(market_workspace, 1.0)
    bring_in(market_workspace, "mine", scores)
    report = run_evaluation(market_workspace, "mine", None, None, None)
    market = workspace_market(market_workspace)
    grid = make_grid(market.bars(), market.sessions(), market.universe("all"))
    rows = np.array([grid.sessions.index(on) for on in report.dates])
    expected = rank_ic(
        np.where(grid.member[rows], grid.spread(scores, "score")[rows], np.nan), forward_returns(grid.close, rows, 3)
    )
    np.testing.assert_allclose(report.signal.ranking.rank_ic_by_date, expected, atol=1e-12)


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
    said = [one.name for one in report.cards if one.distribution is not None]
    assert said == ["signal", "last close", "volatility band", "recipe alike"]
    assert report.lines()[0] == "recipe finer: its horizon or quantiles differ, so only its ranking is compared."
    assert sum("only its ranking" in line for line in report.lines()) == 1


def test_a_recipe_that_calibrates_shows_its_quantiles_before_and_after(backtest_workspace):
    recipe = (backtest_workspace.root / "signals" / "default.yaml").read_text()
    (backtest_workspace.root / "signals" / "cal.yaml").write_text(recipe + "calibration: {sessions: 20, least: 150}\n")
    sessions = workspace_market(backtest_workspace).sessions()
    report = run_evaluation(backtest_workspace, "cal", sessions[-16], None, None)
    cards = {one.name: one.distribution for one in report.cards}
    assert cards["uncalibrated"].levels == cards["signal"].levels
    assert cards["uncalibrated"].coverage[0.9].mean != cards["signal"].coverage[0.9].mean
    # the sessions before the range that the calibration looks back on are missed too
    assert min(report.metrics["missing_sessions"]) < sessions[-16]
    # the four outcomes that do not overlap are there from the session on that is four horizons after the first
    [told] = [line for line in report.lines() if "have no calibrated quantiles" in line]
    assert re.match(r"\d+ of \d+ dates have no calibrated quantiles .too few past outcomes", told)


def test_a_blend_is_evaluated_where_all_its_members_have_signals(market_workspace):
    bring_in(market_workspace, "early", made_scores(market_workspace, 1.0, slice(40, 100)))
    bring_in(market_workspace, "late", made_scores(market_workspace, 1.0, slice(60, 130)))
    (market_workspace.root / "signals" / "both.yaml").write_text("members: [early, late]\nhorizon: 3\n")
    sessions = workspace_market(market_workspace).sessions()
    report = run_evaluation(market_workspace, "both", None, None, None)
    assert (report.dates[0], report.dates[-1]) == (sessions[60], sessions[99])
    assert report.metrics["model_has_seen"] == {"data behind the imported signals": None}
    assert report.score == "score"


def test_every_scored_pair_is_accounted_for(market_workspace):
    bring_in(market_workspace, "mine", made_scores(market_workspace, 0.0, slice(40, None)))
    report = run_evaluation(market_workspace, "mine", None, None, None)
    counts = report.metrics["pairs"]
    assert counts["scored"] == counts["known"] + counts["not_yet"] + counts["without_bar"]
    # of at most 12 stocks on the 3 newest sessions
    assert 0 < counts["not_yet"] <= 36


@pytest.mark.slow
def test_paths_that_are_stored_are_measured_exactly(trained_workspace):
    (trained_workspace.root / "signals" / "whole.yaml").write_text("samples: 5\nhorizon: 2\npaths: true\n")
    market = workspace_market(trained_workspace)
    sessions = market.sessions()
    source = open_source(trained_workspace, "whole", market)
    source.ensure(sessions[-20:], "cpu")
    report = run_evaluation(trained_workspace, "whole", sessions[-20], None, None)
    found = report.metrics["contenders"]["signal"]["distribution"]
    assert found["measured_from"] == "9 quantiles, and exactly from 5 paths"
    assert report.metrics["contenders"]["volatility band"]["distribution"]["exact"] is None
    # computed apart, from the files of the store and the closes
    rows = source.store.read(sessions[-20:], paths=True)
    close = {(symbol, on): close for symbol, on, close in market.bars().select("symbol", "date", "close").rows()}
    ahead = dict(zip(sessions, sessions[2:], strict=False))
    crps = {}
    for on, symbol, paths in rows.select("date", "symbol", "paths").rows():
        later = close.get((symbol, ahead.get(on)))
        if later is not None:
            members = np.array(paths, dtype=np.float64)[:, -1]
            realised = np.float64(later) / np.float64(close[symbol, on]) - 1
            crps.setdefault(on, []).append(scoringrules.crps_ensemble(realised, members))
    expected = np.mean([np.mean(values) for values in crps.values()])
    assert found["exact"]["crps"]["mean"] == pytest.approx(expected, abs=1e-9)
    assert sum(found["exact"]["rank_histogram"]) == found["cells"] == sum(len(values) for values in crps.values())
    assert "CRPS, exact" in report.page.read_text()


FIVE = ("SH600000", "SH600001", "SH600003", "SZ000001", "SZ000002")


def halfhour_scores(workspace, see=1.0, horizon=6, times=("11:30", "15:00")):
    """A score of every symbol at some times of the last thirty sessions."""
    market = workspace_market(workspace)
    bars = market.bars().with_columns(pl.col("close").cast(pl.Float64)).sort("symbol", "time")
    later = (pl.col("close").shift(-horizon) / pl.col("close") - 1).over("symbol")
    noise = np.random.default_rng(0).standard_normal(bars.height)
    scores = bars.select(
        pl.col("time").alias("datetime"), "symbol", score=see * later.fill_null(0) / later.std() + pl.Series(noise)
    )
    kept = scores.filter(pl.col("datetime").dt.strftime("%H:%M").is_in(list(times)))
    return kept.filter(pl.col("datetime").dt.date().is_in(market.sessions()[-30:]))


def test_signals_within_sessions_are_evaluated_by_moment_with_the_horizon_in_bars(tmp_path):
    workspace = intraday_workspace(tmp_path, FIVE)
    scores = halfhour_scores(workspace, 2.0)
    bring_in(workspace, "mine", scores, horizon=6)
    report = run_evaluation(workspace, "mine", None, None, None)
    metrics = json.loads((report.folder / "metrics.json").read_text())
    assert (metrics["horizon"], metrics["horizon_unit"], metrics["dates"]) == (6, "bar", 60)
    daily = pl.read_parquet(report.folder / "dates.parquet").filter(pl.col("contender") == "signal")
    closes = workspace_market(workspace).bars().to_pandas().pivot(index="time", columns="symbol", values="close")
    closes = closes.astype(float)
    label = closes.shift(-6) / closes - 1
    wide = scores.to_pandas().pivot(index="datetime", columns="symbol", values="score")
    expected = wide.corrwith(label.loc[wide.index], axis=1, method="spearman").dropna()
    found = daily.drop_nulls("rank_ic")
    assert found["asof"].to_list() == [moment.to_pydatetime() for moment in expected.index]
    np.testing.assert_allclose(found["rank_ic"].to_numpy(), expected.to_numpy(), rtol=0, atol=1e-9)
    assert report.head()[0].startswith("EDGE (provided that the model was not trained on these moments")
    assert "6-bar horizon" in report.page.read_text()


def test_one_symbol_within_sessions_has_no_rank_ic_and_says_so(tmp_path):
    workspace = intraday_workspace(tmp_path, ("SH600000",))
    bring_in(workspace, "mine", halfhour_scores(workspace, 1.0), horizon=6)
    report = run_evaluation(workspace, "mine", None, None, None)
    assert report.head()[0].startswith(
        "NO RANK IC: it needs at least 3 symbols per moment with score and return, found at most 1"
    )
    # of the last session neither has a return yet
    assert report.signal.timing.correlation.dates == 60 - 2


def test_closes_of_intraday_sessions_are_a_moment_each(tmp_path):
    workspace = intraday_workspace(tmp_path, FIVE)
    scores = halfhour_scores(workspace, 2.0, times=("15:00",)).with_columns(pl.col("datetime").dt.date())
    bring_in(workspace, "mine", scores.rename({"datetime": "date"}), horizon=6)
    report = run_evaluation(workspace, "mine", None, None, None)
    assert [moment.strftime("%H:%M") for moment in report.times] == ["15:00"] * 30


def from_base(workspace, base="start"):
    """Say of the trained model that it began from an untrained one, which lies in models/."""
    torch.manual_seed(7)
    preset = PRESETS["nano"]
    KronosTokenizer(preset.tokenizer).save_pretrained(workspace.models / "start" / "tokenizer")
    Kronos(preset.predictor).save_pretrained(workspace.models / "start" / "predictor")
    [trained] = finished_runs(workspace.runs, "train")
    path = trained.path / "checkpoints" / "best" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base": base}))


@pytest.mark.slow
def test_the_model_that_training_began_from_stands_beside_the_trained_one(trained_workspace):
    from_base(trained_workspace)
    market = workspace_market(trained_workspace)
    sessions = market.sessions()[-16:]
    open_source(trained_workspace, "default", market).ensure(sessions, "cpu")
    report = run_evaluation(trained_workspace, "default", sessions[0], None, None)
    zero = next(one for one in report.cards if one.name == "zero-shot")
    assert "model start" in zero.description
    assert zero.ranking.ahead.dates == report.signal.ranking.rank_ic.dates
    assert zero.coverage == report.signal.coverage
    assert zero.distribution.levels == report.signal.distribution.levels
    # it is an ordinary recipe: the same by hand has the same key, and a second time nothing is computed
    (trained_workspace.root / "signals" / "hand.yaml").write_text(
        "model: start\nlookback_window: 16\nsamples: 8\nhorizon: 3\n"
    )
    by_hand = open_source(trained_workspace, "hand", market)
    assert by_hand.ensure(sessions, "cpu").computed == 0
    again = run_evaluation(trained_workspace, "default", sessions[0], None, None, ["hand"])
    assert [one.name for one in again.cards].count("zero-shot") == 0
    hand = next(one for one in again.cards if one.name == "recipe hand")
    assert hand.ranking.rank_ic == zero.ranking.rank_ic
    without = run_evaluation(trained_workspace, "default", sessions[0], None, None, zero_shot=False)
    assert "zero-shot" not in [one.name for one in without.cards]


@pytest.mark.slow
def test_a_base_that_would_take_too_long_is_computed_only_for_who_asks(trained_workspace, monkeypatch):
    from_base(trained_workspace)
    market = workspace_market(trained_workspace)
    sessions = market.sessions()[-6:]
    open_source(trained_workspace, "default", market).ensure(sessions, "cpu")
    monkeypatch.setattr("kronos_quant.evaluation.zero_shot.LONG_SECONDS", 0)
    report = run_evaluation(trained_workspace, "default", sessions[0], None, None)
    told = r"zero-shot start left out: its signals of 4 more sessions would take about \d+ s \(kq evaluate --zero-shot"
    assert any(re.match(told, line) for line in report.lines())
    assert "zero-shot" not in [one.name for one in report.cards]
    asked = run_evaluation(trained_workspace, "default", sessions[0], None, None, zero_shot=True)
    assert "zero-shot" in [one.name for one in asked.cards]


def test_the_signals_beside_a_recipe_are_kept_when_the_store_is_tidied(trained_workspace):
    from_base(trained_workspace)
    market = workspace_market(trained_workspace)
    sessions = market.sessions()[-3:]
    open_source(trained_workspace, "default", market).ensure(sessions, "cpu")
    run_evaluation(trained_workspace, "default", sessions[0], None, None)
    states = {tuple(row.recipes): row.state for row in list_signals(trained_workspace)}
    assert states == {("default",): "complete", (): "zero-shot of default, which kq evaluate compares with it"}
    assert prune_signals(trained_workspace, None, delete=True).folders == []
    # what it would now stand beside is another recipe
    (trained_workspace.root / "signals" / "default.yaml").write_text("samples: 9\nhorizon: 3\n")
    assert len(prune_signals(trained_workspace, None, delete=False).folders) == 2


def test_a_base_that_is_not_here_or_cannot_be_read_is_said_and_nothing_is_fetched(trained_workspace, monkeypatch):
    market = workspace_market(trained_workspace)
    sessions = market.sessions()[-3:]
    open_source(trained_workspace, "default", market).ensure(sessions, "cpu")
    monkeypatch.setattr("kronos_quant.model.hub.fetch", None)
    from_base(trained_workspace, "Nobody/Kronos-elsewhere")
    report = run_evaluation(trained_workspace, "default", sessions[0], None, None)
    assert "zero-shot Nobody/Kronos-elsewhere left out: its weights are not on this machine." in report.lines()
    from_base(trained_workspace, "start")
    (trained_workspace.models / "start" / "predictor" / "model.safetensors").write_bytes(b"broken")
    told = run_evaluation(trained_workspace, "default", sessions[0], None, None).lines()
    assert any(line.startswith("zero-shot start left out: ") for line in told)


def test_code_of_a_recipe_is_not_run_for_its_base(trained_workspace):
    from_base(trained_workspace)
    (trained_workspace.root / "mine.py").write_text("def score(returns):\n    return returns[:, :, -1].mean(axis=1)\n")
    (trained_workspace.root / "signals" / "own.yaml").write_text("samples: 2\nhorizon: 1\nown_score: mine.py\n")
    market = workspace_market(trained_workspace)
    sessions = market.sessions()[-3:]
    open_source(trained_workspace, "own", market).ensure(sessions, "cpu", allow_code=True)
    report = run_evaluation(trained_workspace, "own", sessions[0], None, None)
    assert any("the recipe has its own code, which this command does not run" in line for line in report.lines())
