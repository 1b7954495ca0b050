import math

import numpy as np
import pandas as pd
import pytest

from kronos_quant.evaluation.ranking import groups_of, quantile_portfolios, replaced

TEN = np.arange(10.0)


def test_ten_symbols_make_five_pairs_and_what_has_no_score_no_group():
    scores = np.array([[*TEN, np.nan]])
    assert groups_of(scores)[0, :10].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert math.isnan(groups_of(scores)[0, 10])


def test_equal_scores_share_a_group_and_too_few_symbols_have_none():
    assert groups_of(np.array([[1.0] * 10])).tolist() == [[2.0] * 10]
    assert np.isnan(groups_of(np.array([[1.0, 2, 3, 4, np.nan]]))).all()


def test_returns_of_the_fifths_by_hand():
    # the symbol of score i returns i %: each fifth's mean less the mean of all (4.5%)
    scores, returns = np.tile(TEN, (20, 1)), np.tile(TEN / 100, (20, 1))
    found = quantile_portfolios(scores, returns, 1)
    assert [group.mean for group in found.groups] == pytest.approx([-0.04, -0.02, 0.0, 0.02, 0.04])
    assert found.long_short.mean == pytest.approx(0.08)
    assert found.monotonicity == pytest.approx(1)
    assert (found.turnover, found.daily_turnover) == (0, 0)
    assert found.rank_persistence == pytest.approx(1)
    assert math.isnan(found.break_even_bps)  # nothing is ever traded


def test_a_signal_the_wrong_way_round_falls_from_group_to_group():
    scores, returns = np.tile(TEN, (20, 1)), np.tile(-TEN / 100, (20, 1))
    found = quantile_portfolios(scores, returns, 1)
    assert found.monotonicity == pytest.approx(-1)
    assert found.long_short.mean == pytest.approx(-0.08)


def test_the_share_replaced_by_hand():
    groups = np.array([[4.0, 4, 0, 0], [4, 0, 4, 0], [4, 0, 4, 0]])
    # from row 0 to 1 one of two in group 4 is new, from 1 to 2 none; over two rows one of two
    assert replaced(groups, 4, 1) == pytest.approx(0.25)
    assert replaced(groups, 4, 2) == pytest.approx(0.5)
    assert math.isnan(replaced(groups, 4, 3))


def test_rows_without_groups_are_no_turnover():
    groups = np.array([[4.0, 0.0], [np.nan, np.nan], [4.0, 0.0]])
    assert math.isnan(replaced(groups, 4, 1))
    assert replaced(groups, 4, 2) == 0


def test_the_break_even_cost_by_hand():
    # the order turns round every session: best and worst fifth are replaced whole, long-short returns 8% a session,
    # and each session sells and buys both: 0.08 / (2 * (1 + 1)) = 2% or 200 basis points a trade
    scores = np.array([TEN if t % 2 else -TEN for t in range(20)])
    found = quantile_portfolios(scores, scores / 100, 1)
    assert found.turnover == 1
    assert found.break_even_bps == pytest.approx(200)
    # the best fifth alone: 4% beyond the mean, bought and sold once
    assert found.break_even_long_bps == pytest.approx(200)
    assert found.rank_persistence == pytest.approx(-1)


def test_pairs_without_a_return_are_left_out_of_the_groups_means():
    scores, returns = np.tile(TEN, (15, 1)), np.tile(TEN / 100, (15, 1))
    returns[:, 9] = np.nan
    found = quantile_portfolios(scores, returns, 1)
    # the best fifth is symbol 8 alone: 8% less the mean of 0 to 8%
    assert found.groups[-1].mean == pytest.approx(0.04)


def test_equal_scores_give_no_fifths():
    found = quantile_portfolios(np.ones((20, 10)), np.random.default_rng(0).standard_normal((20, 10)), 1)
    assert math.isnan(found.long_short.mean)
    assert math.isnan(found.monotonicity)
    assert found.long_short.dates == 0


def as_alphalens(scores, returns):
    """Fifths as alphalens makes them: pandas.qcut within each date, returns less the date's mean, mean over dates."""
    T, N = scores.shape
    frame = pd.DataFrame(
        {
            "date": np.repeat(np.arange(T), N),
            "symbol": np.tile(np.arange(N), T),
            "score": scores.ravel(),
            "return": returns.ravel(),
        }
    )
    frame["fifth"] = frame.groupby("date")["score"].transform(lambda day: pd.qcut(day, 5, labels=False))
    frame["excess"] = frame["return"] - frame.groupby("date")["return"].transform("mean")
    return frame


@pytest.mark.parametrize("symbols", [20, 55])
def test_the_fifths_returns_are_those_of_alphalens(symbols):
    rng = np.random.default_rng(symbols)
    scores = rng.standard_normal((40, symbols))
    returns = 0.01 * scores + 0.05 * rng.standard_normal((40, symbols))
    found, frame = quantile_portfolios(scores, returns, 1), as_alphalens(scores, returns)
    by_date = frame.groupby(["fifth", "date"])["excess"].mean()
    expected = by_date.groupby("fifth").mean().to_numpy()
    np.testing.assert_allclose([group.mean for group in found.groups], expected, rtol=0, atol=1e-9)
    spread = (by_date.loc[4] - by_date.loc[0]).mean()
    assert found.long_short.mean == pytest.approx(spread, abs=1e-9)
    assert found.monotonicity == pytest.approx(pd.Series(expected).corr(pd.Series(range(5)), method="spearman"))


def test_the_turnover_is_that_of_alphalens():
    rng = np.random.default_rng(3)
    scores = np.cumsum(rng.standard_normal((30, 25)), axis=0)
    found, frame = quantile_portfolios(scores, scores, 4), as_alphalens(scores, scores)
    for lag, turnover in ((1, found.daily_turnover), (4, found.turnover)):
        shares = []
        for fifth in (0, 4):
            names = frame[frame["fifth"] == fifth].groupby("date")["symbol"].apply(set)
            new = [len(names[t] - names[t - lag]) / len(names[t]) for t in range(lag, 30)]
            shares.append(np.mean(new))
        assert turnover == pytest.approx(np.mean(shares), abs=1e-9)


def test_a_date_with_ties_puts_equal_scores_together_and_never_leaves_one_out():
    rng = np.random.default_rng(4)
    scores = rng.integers(0, 4, (50, 23)).astype(float)
    groups = groups_of(scores)
    assert np.isfinite(groups).all()
    for score, group in zip(scores, groups, strict=True):
        assert all(len(set(group[score == value])) == 1 for value in np.unique(score))
        assert (np.diff(group[np.argsort(score, kind="stable")]) >= 0).all()
