"""Steps from a raw score to the one that ranks: by hand, as properties, and on the bars of a market."""

import warnings
from datetime import date

import numpy as np
import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.market import open_market
from kronos_quant.panel.factors import STYLES
from kronos_quant.panel.matrix import standard_scores
from kronos_quant.signals.steps import (
    Neutralise,
    ScoreExposures,
    Smooth,
    apply_steps,
    history_needed,
    neutralise,
    rank,
    smooth,
    winsorise,
)

NAN = np.nan


def test_winsorising_pulls_the_ends_in_to_the_quantiles_of_their_own_date():
    scores = np.array([[0.0, 1, 2, 3, 100], [5, 5, 5, 5, NAN]])
    # a fifth at each end of five: quantiles 0.2 and 0.8 are 0.8 and 22.4
    assert winsorise(scores, 0.2)[0] == pytest.approx([0.8, 1, 2, 3, 22.4])
    assert winsorise(scores, 0.2)[1] == pytest.approx([5, 5, 5, 5, NAN], nan_ok=True)


def test_z_scores_have_mean_0_and_deviation_1_among_those_with_an_opinion():
    assert standard_scores(np.array([[1.0, 3, NAN]]))[0] == pytest.approx([-1, 1, NAN], nan_ok=True)


def test_ranks_share_their_places_and_lie_within_a_half():
    assert rank(np.array([[10.0, 20, 20, NAN]]))[0] == pytest.approx([-1 / 3, 1 / 6, 1 / 6, NAN], nan_ok=True)


@pytest.mark.parametrize("step", [standard_scores, rank])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_scores_that_are_all_equal_and_one_symbol_alone_become_0(step, value):
    assert step(np.array([[value] * 3, [NAN, value, NAN]])) == pytest.approx(
        np.array([[0, 0, 0], [NAN, 0, NAN]]), nan_ok=True
    )


def test_a_date_without_any_opinion_stays_without_and_warns_of_nothing():
    empty = np.full((2, 4), NAN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [winsorise(empty, 0.1), standard_scores(empty), rank(empty), neutralise(empty, np.zeros((2, 4, 1)))]
    assert all(np.isnan(part).all() for part in found)


def test_what_is_left_is_correlated_with_no_exposure():
    rng = np.random.default_rng(0)
    exposures = rng.lognormal(size=(20, 300, 3))
    scores = exposures @ [1.0, -2.0, 0.5] + rng.standard_normal((20, 300))
    residual = neutralise(scores, exposures)
    for t in range(20):
        for k in range(3):
            assert abs(np.corrcoef(residual[t], exposures[t, :, k])[0, 1]) < 1e-10
    assert residual == pytest.approx(scores - np.stack([_fitted(exposures[t], scores[t]) for t in range(20)]), abs=1e-9)


def _fitted(exposures, scores):
    design = np.column_stack([np.ones(len(scores)), exposures])
    return design @ np.linalg.solve(design.T @ design, design.T @ scores)


def test_groups_are_left_with_a_mean_of_0_each():
    scores = np.array([[1.0, 3, 10, 20, 30]])
    residual = neutralise(scores, np.empty((1, 5, 0)), np.array([[1, 1, 2, 2, 2]]))
    assert residual[0] == pytest.approx([-1, 1, -10, 0, 10])


def test_a_symbol_without_an_exposure_has_no_opinion_and_moves_no_other():
    rng = np.random.default_rng(1)
    scores, exposures = rng.standard_normal((1, 50)), rng.standard_normal((1, 50, 1))
    exposures[0, 7] = NAN
    residual = neutralise(scores, exposures)
    assert np.isnan(residual[0, 7])
    keep = np.arange(50) != 7
    assert residual[:, keep] == pytest.approx(neutralise(scores[:, keep], exposures[:, keep]))


def test_an_exposure_that_is_the_same_for_all_changes_nothing_beyond_the_mean():
    scores = np.array([[1.0, 2, 6]])
    assert neutralise(scores, np.full((1, 3, 1), 4.0))[0] == pytest.approx([-2, -1, 3])


def test_as_many_regressors_as_symbols_leave_nothing_to_rank():
    assert np.isnan(neutralise(np.array([[1.0, 2.0]]), np.array([[[1.0], [5.0]]]))).all()


def smoothed(scores, sessions):
    """Of moments that are a session each."""
    return smooth(scores, np.arange(len(scores)), sessions)


def test_a_date_is_averaged_with_those_before_it_as_many_as_there_are():
    scores = np.array([[1.0], [2.0], [6.0], [4.0]])
    assert smoothed(scores, 3)[:, 0] == pytest.approx([1, 1.5, 3, 4])


def test_no_opinion_stays_none_and_is_left_out_of_later_means():
    scores = np.array([[1.0], [NAN], [3.0]])
    assert smoothed(scores, 2)[:, 0] == pytest.approx([1, NAN, 3], nan_ok=True)
    assert smoothed(scores, 3)[:, 0] == pytest.approx([1, NAN, 2], nan_ok=True)


def test_a_later_date_moves_no_earlier_one():
    scores = np.random.default_rng(0).standard_normal((30, 5))
    changed = scores.copy()
    changed[20:] = 99
    assert (smoothed(scores, 4)[:20] == smoothed(changed, 4)[:20]).all()


def test_within_a_session_all_moments_of_the_sessions_before_and_its_own_earlier_ones_count():
    session = np.array([7, 7, 8, 8, 11])
    scores = np.array([[1.0], [3.0], [5.0], [9.0], [2.0]])
    # two sessions: 1; 1, 3; 1, 3, 5; 1, 3, 5, 9; and session 11 alone, for 10 has none
    assert smooth(scores, session, 2)[:, 0] == pytest.approx([1, 2, 3, 4.5, 2])


@pytest.fixture
def market(trained_workspace):
    return open_market(trained_workspace.root)


def closes(market, symbol):
    return market.bars([symbol]).with_columns(pl.col("close", "amount").cast(pl.Float64))


def test_exposures_are_those_of_the_bars_up_to_the_date(market):
    sessions = market.sessions()
    stocks = market.instruments().filter(pl.col("kind") == "stock")["symbol"].to_list()
    symbol = market.bars(stocks)["symbol"].value_counts().sort("count", "symbol")["symbol"][-1]
    bars = closes(market, symbol).filter(pl.col("date") <= sessions[130])
    measured = ScoreExposures(market, [sessions[130]], [symbol])
    close = bars["close"].to_numpy()
    assert measured.style("volatility", 20)[0, 0] == pytest.approx(np.diff(np.log(close[-21:])).std(ddof=1))
    assert measured.style("momentum", 20)[0, 0] == pytest.approx(close[-21] / close[-121] - 1)
    assert measured.style("size", 20)[0, 0] == pytest.approx(np.log(bars["amount"].tail(20).mean()))


@pytest.mark.parametrize("name", STYLES)
def test_a_symbol_with_too_few_bars_has_no_exposure(market, name):
    sessions = market.sessions()
    measured = ScoreExposures(market, [sessions[3], sessions[135]], ["MADE0001", "NOBODY"]).style(name, 20)
    assert np.isnan(measured[0, 0])
    assert np.isfinite(measured[1, 0])
    assert np.isnan(measured[:, 1]).all()


def test_later_bars_move_nothing(market, trained_workspace):
    sessions = market.sessions()
    before = ScoreExposures(market, sessions[125:135], ["MADE0001", "MADE0002"])
    later = market.bars().with_columns(
        close=pl.when(pl.col("date") > sessions[134]).then(pl.col("close") * 2).otherwise("close")
    )
    changed = type(before)(_Changed(market, later), sessions[125:135], ["MADE0001", "MADE0002"])
    for name in STYLES:
        np.testing.assert_array_equal(before.style(name, 10), changed.style(name, 10))


class _Changed:
    def __init__(self, market, bars):
        self.market, self.frame = market, bars

    def sessions(self):
        return self.market.sessions()

    def select_bars(self, symbols, start, end):
        return self.frame.filter(pl.col("symbol").is_in(symbols) & pl.col("date").is_between(start, end))


class _Industries(_Changed):
    def intervals(self, kind):
        assert kind == "industry"
        return self.frame


def test_industries_are_those_of_the_date(market):
    spans = pl.DataFrame(
        {
            "symbol": ["MADE0001", "MADE0001", "MADE0002"],
            "start": [date(2000, 1, 1), market.sessions()[51], date(2000, 1, 1)],
            "end": [market.sessions()[50], date(2099, 1, 1), date(2099, 1, 1)],
            "value": ["banks", "steel", "steel"],
        }
    )
    dates = market.sessions()[50:52]
    groups = ScoreExposures(_Industries(market, spans), dates, ["MADE0001", "MADE0002", "MADE0003"]).industries()
    assert groups[0, 0] != groups[0, 1] == groups[1, 0] == groups[1, 1]
    assert groups[0, 2] not in groups[:, :2]


def test_industries_that_nobody_brought_in_are_asked_for(market):
    with pytest.raises(DataError, match="the market has no industries") as caught:
        ScoreExposures(market, market.sessions()[50:51], ["MADE0001"]).industries()
    assert "industry" in caught.value.hint


def test_the_steps_follow_each_other_and_tell_how_far_they_look_back(market):
    dates, symbols = market.sessions()[125:135], [f"MADE{i:04d}" for i in range(1, 12)]
    measured = ScoreExposures(market, dates, symbols)
    scores = np.random.default_rng(0).standard_normal((10, 11))
    steps = [Smooth(step="smooth", sessions=3), Neutralise(step="neutralise", exposures=("momentum",))]
    found = apply_steps(scores, steps, np.arange(10), lambda: measured)
    momentum = measured.style("momentum", 20)
    for t in range(10):
        known = np.isfinite(found[t])
        assert abs(np.corrcoef(found[t, known], momentum[t, known])[0, 1]) < 1e-9
    assert history_needed(steps) == 2
    assert history_needed(steps[1:]) == 0


def test_of_a_session_that_goes_on_nothing_is_known_and_those_before_it_are_measured(market):
    sessions, symbols = market.sessions(), ["MADE0001", "MADE0002"]
    ended = ScoreExposures(market, [sessions[134], sessions[134]], symbols)
    within = ScoreExposures(market, [sessions[135], sessions[135]], symbols, at_close=False)
    for name in STYLES:
        np.testing.assert_array_equal(within.style(name, 20), ended.style(name, 20))
    assert np.isnan(ScoreExposures(market, sessions[:1], symbols, at_close=False).style("momentum", 20)).all()
