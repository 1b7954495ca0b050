import math
from dataclasses import replace

import numpy as np
import pytest
from evaluation.markets import made_grid, seeing

from kronos_quant.evaluation import (
    Boundary,
    Contender,
    Distribution,
    forward_returns,
    make_scorecard,
    mean_interval,
    rank_ic,
)

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
    assert card.finding.headline.startswith("NO EDGE FOUND")


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
    assert card.finding.headline.startswith("NOT A FINDING, CONTAMINATED")
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
    assert "all scores of every date are equal" in equal.finding.headline
    assert math.isnan(equal.signal.ranking.portfolios.break_even_bps)
    alone = np.full((65, 30), np.nan)
    alone[:, 0] = np.arange(65)
    one = make_scorecard(Contender("signal", "", alone, None), GRID, ROWS, HORIZON)
    assert "found at most 1" in one.finding.headline
    assert len(one.explained) == 0


def test_the_newest_dates_alone_have_no_return_yet():
    rows = np.arange(196, 200)
    card = make_scorecard(Contender("signal", "", np.random.default_rng(0).random((4, 30)), None), GRID, rows, HORIZON)
    assert "no return over 5 sessions is known yet" in card.finding.headline


def test_on_markets_of_noise_an_edge_is_seldom_found():
    rows = np.arange(10, 70)
    found = []
    for seed in range(60):
        grid = made_grid(symbols=20, sessions=76, seed=seed)
        scores = np.cumsum(np.random.default_rng(seed).standard_normal((60, 20)), axis=0)  # they hardly change
        found.append(make_scorecard(Contender("signal", "", scores, None), grid, rows, HORIZON).finding.edge)
    assert sum(found) <= 5  # 2.5 % of 60 is 1.5; more than 5 in fewer than 1 of 500 runs


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
