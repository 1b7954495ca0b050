import math
from datetime import date

import pytest

from kronos_quant.evaluation import Boundary
from kronos_quant.evaluation.grid import INTRADAY
from kronos_quant.evaluation.timing import Timing
from kronos_quant.evaluation.verdict import Finding, PairCounts, compared, find, what_to_know
from kronos_quant.stats.intervals import MeanInterval


def interval(low, high, dates=100):
    return MeanInterval((low + high) / 2, (high - low) / 4, low, high, dates, 8, 0.1)


def pairs(**changed):
    counts = {"scored": 5000, "known": 4900, "not_yet": 0, "without_bar": 0, "most_symbols": 50}
    return PairCounts(**(counts | {"carried_rank_ic": 0.05} | changed))


FEW = MeanInterval(0.04, math.nan, math.nan, math.nan, 8, 0, 0.1)
NONE = MeanInterval(math.nan, math.nan, math.nan, math.nan, 0, 0, math.nan)
KNOWN = Boundary("training data", date(2024, 1, 1))
UNKNOWN = Boundary("pre-training data", None)


def test_an_edge_is_an_interval_wholly_above_0():
    found = find(interval(0.01, 0.09), 5, pairs(), 0, [KNOWN])
    assert found.edge
    assert found.headline == "EDGE: rank IC +0.050 (95 % interval +0.010 to +0.090, 100 dates) 5 sessions ahead"


@pytest.mark.parametrize("low", [0.0, -0.001])
def test_an_interval_that_touches_0_is_no_edge(low):
    found = find(interval(low, 0.08), 1, pairs(), 0)
    assert (found.edge, found.kind) == (False, "no edge")
    assert found.headline.startswith("NO EDGE FOUND: rank IC +0.04")
    assert found.headline.endswith("1 session ahead")


def test_no_edge_says_how_many_dates_it_would_take():
    # error 0.03 at 100 dates: 100 * (2.802 * 0.03 / 0.02)^2 = 1765.6
    found = find(interval(-0.04, 0.08), 5, pairs(), 0)
    assert "If the true rank IC is 0.020, about 1,766 dates would tell it from 0" in found.explained


def test_no_edge_below_0():
    assert find(interval(-0.06, 0.02), 5, pairs(), 0).explained == "The interval holds 0, and the mean is not above it."
    assert "ranks the wrong way round" in find(interval(-0.06, -0.02), 5, pairs(), 0).explained


def test_an_edge_on_dates_that_the_model_has_seen_is_no_finding():
    found = find(interval(0.01, 0.09), 5, pairs(), 12, [KNOWN])
    assert found.headline.startswith("NOT A FINDING, CONTAMINATED: rank IC +0.050")
    assert found.headline.endswith("but the model has seen 12 of these dates")
    assert find(interval(-0.01, 0.09), 5, pairs(), 12, [KNOWN]).headline.startswith("NO EDGE FOUND")


def test_an_edge_of_a_model_that_does_not_say_what_it_has_seen_is_conditional():
    found = find(interval(0.01, 0.09), 5, pairs(), 0, [KNOWN, UNKNOWN])
    assert found.headline.startswith("EDGE, if the model never saw these dates (not known: pre-training data): rank IC")


@pytest.mark.parametrize(
    ("found", "counts", "why"),
    [
        (NONE, {"known": 0}, "no return over 5 sessions is known yet for any of the scored dates"),
        (FEW, {}, "rank IC +0.040 over 8 dates; an interval needs 12 dates at least, over 20 sessions or more"),
    ],
)
def test_too_little_to_say_says_what_is_lacking(found, counts, why):
    verdict = find(found, 5, pairs(**counts), 0)
    assert verdict.kind == "too few dates"
    assert not verdict.edge
    assert verdict.headline.startswith(f"TOO FEW DATES TO SAY: {why}")


def test_scores_that_are_all_equal_rank_nobody():
    verdict = find(NONE, 5, pairs(), 0)
    assert verdict == Finding("nobody to rank", "NO RANK IC: all scores of every date are equal: they rank nobody", "")
    assert not verdict.edge


def test_what_a_reader_has_to_know():
    counts = pairs(not_yet=40, without_bar=7, carried_rank_ic=0.047)
    told = what_to_know(counts, interval(0.01, 0.09), 5, 3, [KNOWN, UNKNOWN], judged=100)
    assert told[0].startswith("It is not known until when the pre-training data reach")
    assert told[1] == "CONTAMINATED: the model has seen 3 of the 100 dates."
    assert told[2].startswith("Returns go from the close of the date to the close 5 sessions later")
    assert told[3] == "40 of 5,000 scores have no return yet: the data end before."
    assert told[4].startswith("7 of 5,000 scores are left out")
    assert told[4].endswith("the rank IC is +0.047 in place of +0.050.")


def test_scores_left_out_of_no_ranking_are_told_without_one():
    told = what_to_know(pairs(without_bar=7, carried_rank_ic=math.nan), NONE, 5, 0, [KNOWN], judged=100)
    assert told[-1] == ("7 of 5,000 scores are left out, for their symbol lacks the later session (suspended or gone).")


def test_where_nothing_is_special_only_the_returns_are_explained():
    assert len(what_to_know(pairs(), interval(0.01, 0.09), 5, 0, [KNOWN], judged=100)) == 1


def test_the_signal_is_compared_with_each_other_one():
    told = compared({"a": interval(0.01, 0.05), "b": interval(-0.09, -0.01), "c": interval(-0.01, 0.02), "d": FEW})
    assert told == "Its ranking on the same dates: better than a; worse than b; not told apart from c."
    assert compared({"d": FEW}) == ""


def test_of_intraday_bars_the_words_are_bars_and_moments():
    verdict = find(interval(0.01, 0.09, 1200), 10, pairs(), 0, [KNOWN], clock=INTRADAY)
    assert verdict.headline.endswith("1,200 moments) 10 bars ahead")
    few = find(FEW, 10, pairs(), 0, clock=INTRADAY)
    assert few.headline.startswith(
        "TOO FEW MOMENTS TO SAY: rank IC +0.040 over 8 moments; an interval needs 12 moments"
    )
    told = what_to_know(pairs(without_bar=2), interval(0.01, 0.09), 10, 3, [KNOWN], judged=80, clock=INTRADAY)
    assert told[0] == "CONTAMINATED: the model has seen 3 of the 80 moments."
    assert told[1].startswith("Returns go from the close of the moment to the close 10 bars later")


def test_where_there_is_nobody_to_rank_the_figures_are_over_time():
    found = Timing(interval(0.02, 0.2), interval(0.01, 0.1), interval(0.5, 0.6))
    verdict = find(NONE, 5, pairs(most_symbols=1), 0, timing=found)
    assert (verdict.kind, verdict.edge) == ("nobody to rank", False)
    assert verdict.headline == (
        "NO RANK IC: it needs 3 symbols a date with score and return, found at most 1. Over time, score and return of "
        "a symbol have the correlation +0.110 (95 % interval +0.020 to +0.200, 100 dates)"
    )
    assert "An edge is declared for rankings only" in verdict.explained
