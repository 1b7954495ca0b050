import math
from datetime import date

import pytest

from kronos_quant.evaluation.grid import INTRADAY
from kronos_quant.evaluation.ranking import TimeSeriesFit
from kronos_quant.evaluation.slices import Boundary
from kronos_quant.evaluation.verdict import Evidence, PairCounts, Verdict, compared
from kronos_quant.stats.intervals import MeanInterval


def interval(low, high, dates=100):
    return MeanInterval((low + high) / 2, (high - low) / 4, low, high, dates, 8, 0.1)


def pairs(**changed):
    counts = {"scored": 5000, "known": 4900, "not_yet": 0, "without_bar": 0, "most_symbols": 50}
    return PairCounts(**(counts | {"carried_rank_ic": 0.05} | changed))


def judge(*given, **more):
    return Evidence(*given, **more).verdict()


def notes(*given, **more):
    return Evidence(*given, **more).notes()


FEW = MeanInterval(0.04, math.nan, math.nan, math.nan, 8, 0, 0.1)
NONE = MeanInterval(math.nan, math.nan, math.nan, math.nan, 0, 0, math.nan)
KNOWN = Boundary("training data", date(2024, 1, 1))
UNKNOWN = Boundary("pre-training data", None)


def test_an_edge_is_an_interval_wholly_above_0():
    found = judge(interval(0.01, 0.09), 5, pairs(), boundaries=[KNOWN])
    assert found.edge
    assert found.headline == "EDGE: rank IC +0.050 (95% CI +0.010 to +0.090), 5-session horizon, 100 dates"


@pytest.mark.parametrize("low", [0.0, -0.001])
def test_an_interval_that_touches_0_is_no_edge(low):
    found = judge(interval(low, 0.08), 1, pairs())
    assert (found.edge, found.kind) == (False, "no edge")
    assert found.headline.startswith("NO EDGE: rank IC +0.04")
    assert found.headline.endswith("1-session horizon, 100 dates")


def test_no_edge_says_how_many_dates_it_would_take():
    # error 0.03 at 100 dates: 100 * (2.802 * 0.03 / 0.02)^2 = 1765.6
    found = judge(interval(-0.04, 0.08), 5, pairs())
    assert "Detecting a true rank IC of 0.020 would take about 1,766 dates (80% power)." in found.explained


def test_no_edge_below_0():
    below = judge(interval(-0.06, 0.02), 5, pairs())
    assert below.explained == "The confidence interval contains 0 and the mean is not positive."
    assert "ranks in the wrong direction" in judge(interval(-0.06, -0.02), 5, pairs()).explained


def test_an_edge_on_dates_that_the_model_has_seen_is_no_finding():
    found = judge(interval(0.01, 0.09), 5, pairs(), seen=12, boundaries=[KNOWN])
    assert found.headline.startswith("IN-SAMPLE, NO VERDICT: rank IC +0.050")
    assert found.headline.endswith("but the model was trained on 12 of these dates.")
    assert judge(interval(-0.01, 0.09), 5, pairs(), seen=12, boundaries=[KNOWN]).headline.startswith("NO EDGE:")


def test_an_edge_of_a_model_that_does_not_say_what_it_has_seen_is_conditional():
    found = judge(interval(0.01, 0.09), 5, pairs(), boundaries=[KNOWN, UNKNOWN])
    proviso = "provided that the model was not trained on these dates; unknown for: pre-training data"
    assert found.headline.startswith(f"EDGE ({proviso}): rank IC")


@pytest.mark.parametrize(
    ("found", "counts", "why"),
    [
        (NONE, {"known": 0}, "no return over 5 sessions is known yet for any of the scored dates"),
        (FEW, {}, "rank IC +0.040 over 8 dates; a confidence interval needs at least 12 dates spanning 20 sessions"),
    ],
)
def test_too_little_to_say_says_what_is_lacking(found, counts, why):
    verdict = judge(found, 5, pairs(**counts))
    assert verdict.kind == "too few dates"
    assert not verdict.edge
    assert verdict.headline.startswith(f"NOT ENOUGH DATA: {why}")


def test_scores_that_are_all_equal_rank_nobody():
    verdict = judge(NONE, 5, pairs())
    headline = "NO RANK IC: on every date all scores are equal, so symbols cannot be ranked."
    assert verdict == Verdict("nobody to rank", headline, "")
    assert not verdict.edge


def test_what_a_reader_has_to_know():
    counts = pairs(not_yet=40, without_bar=7, carried_rank_ic=0.047)
    told = notes(interval(0.01, 0.09), 5, counts, seen=3, judged=100, boundaries=[KNOWN, UNKNOWN])
    assert told[0].startswith("The end date of the pre-training data is unknown, so look-ahead")
    assert told[1] == "CONTAMINATED: the model was trained on 3 of the 100 dates."
    assert told[2].startswith("Returns are close-to-close over 5 sessions, adjusted.")
    assert told[3] == "40 of 5,000 scores have no return yet: the data end before the horizon."
    assert told[4].startswith("7 of 5,000 scores have no return because the symbol had no bar")
    assert told[4].endswith("rank IC would be +0.047 (reported: +0.050).")


def test_scores_left_out_of_no_ranking_are_told_without_one():
    equal = notes(interval(0.01, 0.09), 5, pairs(without_bar=7, carried_rank_ic=0.0503), judged=100, boundaries=[KNOWN])
    assert not any("Valued at the last close" in line for line in equal)
    told = notes(NONE, 5, pairs(without_bar=7, carried_rank_ic=math.nan), judged=100, boundaries=[KNOWN])
    assert told[-1].startswith("7 of 5,000 scores have no return because the symbol had no bar at the horizon")
    assert told[-1].endswith("(suspended or delisted); excluded.")


def test_where_nothing_is_special_only_the_returns_are_explained():
    assert len(notes(interval(0.01, 0.09), 5, pairs(), judged=100, boundaries=[KNOWN])) == 1


def test_the_signal_is_compared_with_each_other_one():
    told = compared({"a": interval(0.01, 0.05), "b": interval(-0.09, -0.01), "c": interval(-0.01, 0.02), "d": FEW})
    worse = "significantly worse than b; not significantly different from c."
    assert told == f"Rank IC on the same dates: significantly better than a; {worse}"
    assert compared({"d": FEW}) == ""


def test_of_intraday_bars_the_words_are_bars_and_moments():
    verdict = judge(interval(0.01, 0.09, 1200), 10, pairs(), boundaries=[KNOWN], clock=INTRADAY)
    assert verdict.headline.endswith("10-bar horizon, 1,200 moments")
    few = judge(FEW, 10, pairs(), clock=INTRADAY)
    assert few.headline.startswith(
        "NOT ENOUGH DATA: rank IC +0.040 over 8 moments; a confidence interval needs at least 12 moments"
    )
    told = notes(interval(0.01, 0.09), 10, pairs(without_bar=2), seen=3, judged=80, boundaries=[KNOWN], clock=INTRADAY)
    assert told[0] == "CONTAMINATED: the model was trained on 3 of the 80 moments."
    assert told[1].startswith("Returns are close-to-close over 10 bars, adjusted.")


def test_where_there_is_nobody_to_rank_the_figures_are_over_time():
    found = TimeSeriesFit(interval(0.02, 0.2), interval(0.01, 0.1), interval(0.5, 0.6))
    verdict = judge(NONE, 5, pairs(most_symbols=1), timing=found)
    assert (verdict.kind, verdict.edge) == ("nobody to rank", False)
    assert verdict.headline == (
        "NO RANK IC: it needs at least 3 symbols per date with score and return, found at most 1. Correlation of score "
        "and return over time: +0.110 (95% CI +0.020 to +0.200), 100 dates"
    )
    assert "Edge verdicts cover cross-sectional ranking only" in verdict.explained
