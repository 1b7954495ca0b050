"""How much of a back-test's success luck explains, by the number of trials that were made to find it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kronos_quant.arrays import FloatArray
from kronos_quant.stats.selection import (
    FEWEST_SESSIONS,
    REQUIRED_PROBABILITY,
    DeflatedSharpe,
    Overfitting,
    deflated_sharpe,
    return_moments,
)
from kronos_quant.validity.ledger import Trials

OVERFIT = 0.5
"""From this probability on, picking the best trial is no better than picking any."""


@dataclass(frozen=True, slots=True)
class Luck:
    """The tests of one back-test.

    whole : deflated Sharpe ratio of its returns; edge : of the returns without its universe's
    overfitting : of all trials on the same sessions, None where there are too few of either
    sessions_per_year : annualisation of the Sharpe ratios that are told
    """

    whole: DeflatedSharpe
    edge: DeflatedSharpe
    overfitting: Overfitting | None
    sessions_per_year: int

    @property
    def passes(self) -> bool:
        """Whether the strategy passes: its returns, and what is left of them without its universe's."""
        return self.whole.passes and self.edge.passes

    def as_dict(self) -> dict[str, Any]:
        """For metrics.json; Sharpe ratios are annual."""
        years = math.sqrt(self.sessions_per_year)
        found = self.overfitting
        return {
            "trials": self.whole.trials,
            "deflated_sharpe_probability": self.whole.probability,
            "deflated_sharpe_luck": expected_max(self.whole) * years,
            "deflated_sharpe_probability_without_universe": self.edge.probability,
            "deflated_sharpe_luck_without_universe": expected_max(self.edge) * years,
            "sharpe_ratio_without_universe": self.edge.moments.sharpe * years,
            "deflated_sharpe_asked": REQUIRED_PROBABILITY,
            "deflated_sharpe_passes": self.passes,
            "skew": self.whole.moments.skew,
            "kurtosis": self.whole.moments.kurtosis,
            "overfitting_probability": None if found is None else found.probability,
            "overfitting_trials": None if found is None else found.trials,
            "overfitting_splits": None if found is None else found.splits,
        }

    def headline(self) -> str:
        """The verdict in one sentence."""
        if math.isnan(self.whole.probability) or math.isnan(self.edge.probability):
            few = self.whole.moments.sessions < FEWEST_SESSIONS
            why = f"fewer than {FEWEST_SESSIONS} sessions" if few else "returns that do not move"
            return f"DOES NOT PASS: {why} say nothing about luck."
        if self.passes:
            return f"PASSES: a Sharpe ratio like this is hardly the luck of {tried(self.whole.trials)}."
        if self.whole.passes:
            return "DOES NOT PASS: what its universe earned by itself explains the Sharpe ratio."
        if self.whole.moments.sharpe <= 0:
            return "DOES NOT PASS: it earned nothing after costs."
        why = "chance alone" if self.whole.trials == 1 else f"the luck of {tried(self.whole.trials)}"
        if self.edge.passes:
            return f"DOES NOT PASS: {why} may explain the returns, though not what they were beyond its universe's."
        return f"DOES NOT PASS: {why} may explain it."

    def lines(self) -> list[str]:
        """The tests in words."""
        told = [self.headline()]
        tested = ((self.whole, "the returns"), (self.edge, "the returns less beta times the mean of its universe"))
        for one, words in tested:
            if math.isnan(one.probability):
                continue
            years = math.sqrt(self.sessions_per_year)
            chosen = f"{one.expected_max * years:.2f} a year, the best that luck would show of {tried(one.trials)}"
            told.append(
                f"Deflated Sharpe ratio of {words}: probability {one.probability:.3f} (asked for: above "
                f"{REQUIRED_PROBABILITY}) that the true Sharpe ratio is above {'0' if one.trials == 1 else chosen}; "
                f"seen {one.moments.sharpe * years:.2f}, skew {one.moments.skew:.2f}, "
                f"kurtosis {one.moments.kurtosis:.1f}."
            )
        told.append(counted(self.whole))
        told.append(judged(self.overfitting))
        return told


def expected_max(found: DeflatedSharpe) -> float:
    """Its expected maximum, NaN where there is no probability either."""
    return math.nan if math.isnan(found.probability) else found.expected_max


def tried(trials: int) -> str:
    """A number of trials in words."""
    return "one trial" if trials == 1 else f"{trials:,} trials"


def counted(found: DeflatedSharpe) -> str:
    """Where the number of trials comes from."""
    many = "1 distinct configuration has" if found.trials == 1 else f"{found.trials:,} distinct configurations have"
    return f"{many} been tried in this workspace (runs/trials; the same one on the same signals counts once)."


def judged(found: Overfitting | None) -> str:
    """The probability of overfitting in words."""
    if found is None:
        return "Probability of back-test overfitting: needs two trials on the same 20 sessions at least (kq sweep)."
    verdict = (
        "picking the best of them is no better than picking any"
        if found.probability >= OVERFIT
        else "the best of one half tends to stay ahead in the other"
    )
    return (
        f"Probability of back-test overfitting: {found.probability:.2f} over {found.trials:,} trials on these "
        f"{found.sessions:,} sessions ({found.splits:,} splits into halves): {verdict}."
    )


def luck_of(
    returns: FloatArray, edge: FloatArray, trials: Trials, overfitting: Overfitting | None, sessions_per_year: int
) -> Luck:
    """The tests of returns f64[T], which are recorded in `trials` already.

    edge : f64[T], the returns without the universe's; overfitting : of the trials that it was chosen among
    """
    sessions = trials.column("sessions")
    whole = deflated_sharpe(return_moments(returns), trials.column("sharpe"), sessions)
    without = deflated_sharpe(return_moments(edge), trials.column("edge_sharpe"), sessions)
    return Luck(whole, without, overfitting, sessions_per_year)
