import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation.markets import made_grid, made_intraday_grid, seeing
from scipy import stats

from kronos_quant.evaluation import scorecard
from kronos_quant.evaluation.contender import Contender, Distribution
from kronos_quant.evaluation.scorecard import make_scorecard
from kronos_quant.evaluation.slices import Boundary
from kronos_quant.panel.matrix import forward_returns
from kronos_quant.stats.correlation import rank_ic
from kronos_quant.stats.intervals import mean_interval

HORIZON = 5
ROWS = np.arange(130, 195)
GRID = made_grid(symbols=30, sessions=200)


def contender(noise, seed=0, forecast=None):
    return Contender("signal", "made", seeing(GRID, ROWS, HORIZON, noise, seed), forecast)


def believing(spread):
    """A distribution around 0 with half the probability within `spread`."""
    shape = (len(ROWS), len(GRID.symbols))
    quantiles = np.broadcast_to(np.array([-2.44, -1.0, 0.0, 1.0, 2.44]) * spread, (*shape, 5)).copy()
    return Distribution((0.05, 0.25, 0.5, 0.75, 0.95), quantiles, np.full(shape, 0.5), np.zeros(shape))


@pytest.fixture(scope="module")
def card():
    """A signal that sees a tenth of the returns to come."""
    return make_scorecard(contender(3.0, forecast=believing(0.03)), GRID, ROWS, HORIZON, notes=["first of all"])


def test_a_signal_that_sees_is_an_edge_and_stands_first(card):
    assert card.finding.edge
    assert [one.name for one in card.cards] == [
        "signal", "last close", "volatility band", "momentum", "reversal", "LightGBM",
    ]  # fmt: skip
    assert card.signal is card.cards[0]
    assert card.dates == GRID.sessions[130:195]
    assert card.notes[0] == "first of all"


def test_its_figures_are_those_of_the_parts(card):
    scores = seeing(GRID, ROWS, HORIZON, 3.0)
    daily = rank_ic(scores, forward_returns(GRID.close, ROWS, HORIZON))
    ranking = card.signal.ranking
    np.testing.assert_array_equal(ranking.rank_ic_by_date, daily)
    assert ranking.rank_ic == mean_interval(daily, HORIZON)
    assert list(ranking.decay) == [1, 2, 3, 5, 10, 20]
    assert ranking.decay[HORIZON] == ranking.rank_ic
    assert ranking.ahead is None
    momentum = next(one for one in card.cards if one.name == "momentum").ranking
    assert momentum.ahead.mean == pytest.approx(np.nanmean(daily - momentum.rank_ic_by_date))
    assert -1 <= momentum.likeness <= 1


def test_noise_is_no_edge_and_the_card_says_so():
    card = make_scorecard(contender(math.inf), GRID, ROWS, HORIZON)
    assert not card.finding.edge
    assert card.finding.headline.startswith("NO EDGE")


def test_the_distribution_is_set_beside_the_band_at_the_same_quantiles(card):
    band = next(one for one in card.cards if one.name == "volatility band")
    assert band.distribution.levels == card.signal.distribution.levels
    assert band.crps_gain is None
    saved = band.distribution.crps.mean - card.signal.distribution.crps.mean
    assert card.signal.crps_gain.mean == pytest.approx(saved / band.distribution.crps.mean)
    assert card.signal_intervals == (0.5, 0.9)
    assert next(one for one in card.cards if one.name == "last close").crps_gain.high < 0


def test_baselines_are_measured_where_the_signal_has_an_opinion():
    signal = contender(3.0)
    signal.scores[:, 20:] = np.nan
    signal.scores[10:20] = np.nan
    card = make_scorecard(signal, GRID, ROWS, HORIZON)
    assert card.signal.coverage == pytest.approx(20 / 30)
    reversal = next(one for one in card.cards if one.name == "reversal")
    assert reversal.coverage == pytest.approx(20 / 30)
    assert np.isnan(reversal.ranking.rank_ic_by_date[10:20]).all()
    assert card.signal.ranking.rank_ic.dates == reversal.ranking.rank_ic.dates == 55


def test_who_is_no_member_on_the_date_does_not_count():
    member = GRID.member.copy()
    member[:, 15:] = False
    half = replace(GRID, member=member)
    card = make_scorecard(contender(3.0), half, ROWS, HORIZON)
    assert card.pairs.most_symbols == 15
    assert card.signal.coverage == 1
    expected = rank_ic(seeing(GRID, ROWS, HORIZON, 3.0)[:, :15], forward_returns(GRID.close, ROWS, HORIZON)[:, :15])
    np.testing.assert_allclose(card.signal.ranking.rank_ic_by_date, expected)


def test_pairs_without_a_return_are_counted_by_reason():
    close = GRID.close.copy()
    close[150, 3] = np.nan  # suspended on one session: no return from session 145
    close[180:, 4] = np.nan  # gone
    rows = np.arange(130, 199)
    holed = replace(GRID, close=close)
    scores = np.where(np.isfinite(close[rows]), np.random.default_rng(0).standard_normal((69, 30)), np.nan)
    card = make_scorecard(Contender("signal", "", scores, None), holed, rows, HORIZON)
    # the data end on row 199: rows 195 to 198 have no return yet, for the 29 symbols that are still there
    assert card.pairs.not_yet == 4 * 29
    assert card.pairs.without_bar == 1 + 5
    assert card.pairs.known == card.pairs.scored - 4 * 29 - 6
    assert card.pairs.carried_rank_ic != card.signal.ranking.rank_ic.mean


def test_dates_that_the_model_has_seen_are_counted_and_split():
    boundaries = [Boundary("training data", GRID.sessions[139])]
    card = make_scorecard(contender(1.0), GRID, ROWS, HORIZON, boundaries=boundaries)
    assert card.contaminated == 10
    assert card.finding.headline.startswith("IN-SAMPLE, NO VERDICT")
    labels = [part.label for part in card.slices if part.kind == "training data"]
    assert labels == [f"up to {GRID.sessions[139]} (contaminated)", f"after {GRID.sessions[139]}"]


def test_another_signal_is_set_beside_it():
    other = replace(contender(1.0, seed=1), name="recipe other")
    card = make_scorecard(contender(6.0), GRID, ROWS, HORIZON, against=[other])
    assert card.cards[-1].name == "recipe other"
    assert card.cards[-1].ranking.ahead.high < 0
    assert "worse than recipe other" in card.explained[-1]


def test_equal_scores_and_one_symbol_are_said_and_not_measured():
    equal = make_scorecard(Contender("signal", "", np.ones((65, 30)), None), GRID, ROWS, HORIZON)
    assert "on every date all scores are equal" in equal.finding.headline
    assert math.isnan(equal.signal.ranking.portfolios.break_even_bps)
    alone = np.full((65, 30), np.nan)
    alone[:, 0] = np.arange(65)
    one = make_scorecard(Contender("signal", "", alone, None), GRID, ROWS, HORIZON)
    assert "found at most 1" in one.finding.headline
    expected = stats.pearsonr(np.arange(65), forward_returns(GRID.close, ROWS, HORIZON)[:, 0]).statistic
    assert one.signal.timing.correlation.mean == pytest.approx(expected, abs=1e-9)
    momentum = next(card for card in one.cards if card.name == "momentum")
    assert np.isfinite(momentum.timing.same_sign.mean)
    assert equal.signal.timing is None


def test_the_newest_dates_alone_have_no_return_yet():
    rows = np.arange(196, 200)
    card = make_scorecard(Contender("signal", "", np.random.default_rng(0).random((4, 30)), None), GRID, rows, HORIZON)
    assert "no return over 5 sessions is known yet" in card.finding.headline


@pytest.mark.slow
def test_on_markets_of_noise_an_edge_is_seldom_found(monkeypatch):
    monkeypatch.setattr(scorecard, "baselines", lambda *given: [])  # the verdict is on the signal alone
    rows = np.arange(10, 70)
    found = []
    for seed in range(60):
        grid = made_grid(symbols=20, sessions=76, seed=seed)
        scores = np.cumsum(np.random.default_rng(seed).standard_normal((60, 20)), axis=0)  # they hardly change
        found.append(make_scorecard(Contender("signal", "", scores, None), grid, rows, HORIZON).finding.edge)
    assert sum(found) <= 5  # 2.5% of 60 is 1.5; more than 5 in fewer than 1 of 500 runs


def test_the_symbols_order_changes_nothing():
    card = make_scorecard(contender(3.0), GRID, ROWS, HORIZON)
    order = np.random.default_rng(1).permutation(30)
    names = [GRID.symbols[place] for place in order]
    mixed = replace(
        GRID, symbols=names, close=GRID.close[:, order], amount=GRID.amount[:, order], member=GRID.member[:, order]
    )
    signal = contender(3.0)
    again = make_scorecard(replace(signal, scores=signal.scores[:, order]), mixed, ROWS, HORIZON)
    for one, other in zip(card.cards[:-1], again.cards[:-1], strict=True):
        if one.ranking is not None:
            np.testing.assert_allclose(one.ranking.rank_ic_by_date, other.ranking.rank_ic_by_date, atol=1e-12)
    for part, same in zip(card.slices, again.slices, strict=True):
        assert part.rank_ic.mean == pytest.approx(same.rank_ic.mean, nan_ok=True)
    assert card.signal.ranking.portfolios.turnover == pytest.approx(again.signal.ranking.portfolios.turnover)


def test_a_monotone_change_of_the_scores_changes_no_rank():
    plain = contender(3.0)
    bent = replace(plain, scores=np.exp(5 * plain.scores))
    one, other = (make_scorecard(signal, GRID, ROWS, HORIZON).signal.ranking for signal in (plain, bent))
    assert one.rank_ic == other.rank_ic
    assert one.portfolios == other.portfolios
    assert one.ic != other.ic


def test_a_date_without_any_member_is_no_date_and_harms_no_other():
    member = GRID.member.copy()
    member[ROWS[[7, 8, 20]]] = False
    empty = make_scorecard(contender(3.0), replace(GRID, member=member), ROWS, HORIZON)
    whole = make_scorecard(contender(3.0), GRID, ROWS, HORIZON)
    left = np.delete(np.arange(65), [7, 8, 20])
    assert np.isnan(empty.signal.ranking.rank_ic_by_date[[7, 8, 20]]).all()
    kept = whole.signal.ranking.rank_ic_by_date[left]
    np.testing.assert_array_equal(empty.signal.ranking.rank_ic_by_date[left], kept)
    assert empty.signal.ranking.rank_ic.dates == whole.signal.ranking.rank_ic.dates - 3
    assert empty.signal.coverage == 1
    nobody = make_scorecard(contender(3.0), replace(GRID, member=np.zeros_like(member)), ROWS, HORIZON)
    assert nobody.finding.headline.startswith("NOT ENOUGH DATA: no return over 5 sessions is known yet")


def test_scores_with_many_ties_are_ranked_as_pandas_does():
    coarse = np.round(5 * seeing(GRID, ROWS, HORIZON, 3.0), 1)
    found = make_scorecard(Contender("signal", "", coarse, None), GRID, ROWS, HORIZON).signal.ranking
    returns = forward_returns(GRID.close, ROWS, HORIZON)
    assert all(len(np.unique(row)) < 28 for row in coarse)
    expected = [pd.Series(a).corr(pd.Series(b), method="spearman") for a, b in zip(coarse, returns, strict=True)]
    np.testing.assert_allclose(found.rank_ic_by_date, expected, rtol=0, atol=1e-9)


INTRADAY = made_intraday_grid(symbols=20, sessions=70)
MOMENTS = np.arange(240, 540, 4) + 3
"""The fourth and the last bar of each session of eight."""


def test_within_sessions_the_cross_section_is_a_moments_and_the_horizon_is_bars():
    scores = seeing(INTRADAY, MOMENTS, 6, 2.0)
    card = make_scorecard(Contender("signal", "", scores, None), INTRADAY, MOMENTS, 6)
    expected = [
        stats.spearmanr(scores[t], INTRADAY.close[row + 6] / INTRADAY.close[row] - 1).statistic
        for t, row in enumerate(MOMENTS)
    ]
    np.testing.assert_allclose(card.signal.ranking.rank_ic_by_date, expected, rtol=0, atol=1e-9)
    # six bars reach over the moment itself and the next one
    assert card.signal.ranking.rank_ic == mean_interval(card.signal.ranking.rank_ic_by_date, 2)
    assert card.signal.ranking.decay[1] == mean_interval(
        rank_ic(scores, forward_returns(INTRADAY.close, MOMENTS, 1)), 1
    )
    assert card.finding.edge
    assert card.finding.headline.endswith("6-bar horizon, 75 moments")
    assert [moment.strftime("%H:%M") for moment in card.times[:2]] == ["11:30", "15:00"]
    assert card.dates[0] == card.dates[1]
    assert {one.name for one in card.cards if one.ranking} == {"signal", "momentum", "reversal", "LightGBM"}
    assert np.isfinite(next(one for one in card.cards if one.name == "LightGBM").ranking.rank_ic.mean)


def test_moments_that_the_model_has_seen_are_told_by_their_session():
    scores = seeing(INTRADAY, MOMENTS, 6, 2.0)
    boundary = Boundary("training data", INTRADAY.sessions[MOMENTS[9]])
    card = make_scorecard(Contender("signal", "", scores, None), INTRADAY, MOMENTS, 6, boundaries=[boundary])
    assert card.contaminated == 10


def test_one_symbol_that_the_model_has_seen_is_told_too():
    scores = np.full((len(MOMENTS), 20), np.nan)
    scores[:, 3] = np.random.default_rng(0).standard_normal(len(MOMENTS))
    boundary = Boundary("training data", INTRADAY.sessions[MOMENTS[9]])
    card = make_scorecard(Contender("signal", "", scores, None), INTRADAY, MOMENTS, 6, boundaries=[boundary])
    assert card.contaminated == 10
    assert any(note.startswith("CONTAMINATED: the model was trained on 10 of the 75 moments") for note in card.notes)


def test_the_intervals_of_every_bar_are_held_against_the_outcomes_of_that_bar():
    reach = 0.02 * 1.645 * np.sqrt(np.arange(1, HORIZON + 1))  # a session's return has a deviation of 2%
    ends = (np.broadcast_to(side * reach, (*ROWS.shape, 30, HORIZON)).copy() for side in (-1, 1))
    said = replace(believing(0.03), by_bar=tuple(ends))
    card = make_scorecard(contender(3.0, forecast=said), GRID, ROWS, HORIZON)
    found = card.signal.distribution.by_bar
    assert [each.mean for each in found] == pytest.approx([0.9] * HORIZON, abs=0.03)
    for ahead, each in enumerate(found, start=1):
        realised = forward_returns(GRID.close, ROWS, ahead)
        assert each.mean == pytest.approx((np.abs(realised) <= reach[ahead - 1]).mean())
        assert each == mean_interval((np.abs(realised) <= reach[ahead - 1]).mean(axis=1), ahead)
    band = next(one for one in card.cards if one.name == "volatility band")
    assert band.distribution.by_bar == ()


def test_a_scorecard_draws_its_rank_ics_or_over_time_its_correlations(card):
    bars = card.plot().axes[0].patches[: len(card.dates)]
    np.testing.assert_array_equal([bar.get_height() for bar in bars], card.signal.ranking.rank_ic_by_date)
    scores = np.full((len(ROWS), len(GRID.symbols)), np.nan)
    scores[:, 4] = np.random.default_rng(0).standard_normal(len(ROWS))
    alone = make_scorecard(Contender("signal", "", scores, None), GRID, ROWS, HORIZON)
    [axes] = alone.plot().axes
    assert axes.get_xlabel() == "correlation over time"
    assert axes.get_yticklabels()[0].get_text() == "signal"
