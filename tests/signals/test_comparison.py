from datetime import date, datetime, time

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from kronos_quant import DataError
from kronos_quant.signals import compare_signals

DAYS = [date(2025, 6, 4), date(2025, 6, 5)]


def scores(values, days=DAYS, symbols="ABCDE", hours=(0,)):
    rows = [
        (on, datetime.combine(on, time(hour)), symbol, float(value))
        for on in days
        for hour in hours
        for symbol, value in zip(symbols, values, strict=True)
    ]
    return pl.DataFrame(rows, schema=["date", "moment", "symbol", "score"], orient="row")


def test_ranks_are_compared_date_by_date_as_scipy_does():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal(5), rng.standard_normal(5)
    found = compare_signals(scores(first), scores(second), ("a", "b"), top=3)
    assert found.by_date["date"].to_list() == DAYS
    assert found.by_date["rank_correlation"].to_list() == pytest.approx([spearmanr(first, second).statistic] * 2)
    assert found.lines()[0] == "2 sessions in both, 10 scores compared"


def test_the_largest_differences_of_rank_come_first():
    found = compare_signals(scores([1, 2, 3, 4, 5]), scores([5, 2, 3, 4, 1]), ("a", "b"), top=4)
    assert found.differences.select("date", "symbol").rows() == [(on, symbol) for on in DAYS for symbol in "AE"]
    assert found.differences.row(0)[2:] == (1.0, 5.0, 0.0, 1.0)


def test_what_only_one_of_them_scores_is_counted_and_nan_is_no_score():
    found = compare_signals(scores([1, 2, 3, float("nan"), 5]), scores([1, 2, 3, 4], symbols="ABCD"), ("a", "b"), top=0)
    assert found.by_date.row(0)[1:4] == (3, 1, 1)
    assert found.by_date["rank_correlation"][0] == pytest.approx(1)
    assert found.lines()[-2:] == ["2 scores only in a", "2 scores only in b"]
    assert found.differences.is_empty()


@pytest.mark.parametrize("values", [[1, 1, 1, 1, 1], [float("nan")] * 3 + [1, 2]])
def test_ties_alone_or_too_few_symbols_have_no_correlation(values):
    found = compare_signals(scores(values), scores([1, 2, 3, 4, 5]), ("a", "b"), top=1)
    assert np.isnan(found.by_date["rank_correlation"].to_numpy()).all()
    assert found.lines()[1].startswith("no rank correlation: ")


def test_nothing_in_common_says_what_each_has():
    with pytest.raises(DataError, match="no session is in both: a has 2025-06-04 to 2025-06-04, b has 2025-06-05"):
        compare_signals(scores([1, 2], DAYS[:1], "AB"), scores([1, 2], DAYS[1:], "AB"), ("a", "b"), top=1)


def test_a_session_without_a_symbol_in_common_is_shown_as_such():
    found = compare_signals(scores([1, 2], symbols="AB"), scores([1, 2], symbols="CD"), ("a", "b"), top=1)
    assert found.by_date.row(0)[1:4] == (0, 2, 2)


def test_moments_within_a_session_are_compared_each_on_its_own():
    first, second = scores([1, 2, 3, 4, 5], hours=(11, 15)), scores([1, 2, 3, 5, 4], hours=(11, 14))
    found = compare_signals(first, second, ("a", "b"), top=1)
    assert found.by_date.columns[:3] == ["date", "asof", "symbols"]
    assert found.by_date["asof"].to_list() == [datetime.combine(on, time(11)) for on in DAYS]
    assert found.differences.row(0)[1:3] == (datetime.combine(DAYS[0], time(11)), "D")
    assert found.lines()[0] == "2 sessions in both, 10 scores compared"
    twice = compare_signals(first, first, ("a", "a"), top=1)
    assert twice.lines()[0] == "2 sessions in both (4 moments), 20 scores compared"
    with pytest.raises(DataError, match="no session is in both"):
        compare_signals(first, scores([1, 2, 3, 4, 5], hours=(10,)), ("a", "b"), top=1)
