"""Whether a back-test is significant, given the number of trials that were made to find it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kronos_quant.arrays import FloatArray
from kronos_quant.errors import counted
from kronos_quant.stats.selection import (
    FEWEST_SESSIONS,
    REQUIRED_PROBABILITY,
    DeflatedSharpe,
    Overfitting,
    deflated_sharpe,
    return_moments,
)
from kronos_quant.validity.trials import Trials

OVERFIT = 0.5
"""From this probability on, selecting the best trial is no better than selecting any."""

LOW_OVERFIT = 0.1
"""Below this probability, the best trial stays ahead in nearly every split."""


@dataclass(frozen=True, slots=True)
class Luck:
    """The tests of one back-test.

    whole : deflated Sharpe ratio of its returns; edge : of the returns without its universe's
    overfitting : of all trials on the same sessions, None where there are too few of either
    sessions_per_year : annualisation of the Sharpe ratios in the text
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
            "deflated_sharpe_expected_max": expected_max(self.whole) * years,
            "deflated_sharpe_probability_without_universe": self.edge.probability,
            "deflated_sharpe_expected_max_without_universe": expected_max(self.edge) * years,
            "sharpe_ratio_without_universe": self.edge.moments.sharpe * years,
            "deflated_sharpe_threshold": REQUIRED_PROBABILITY,
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
            if self.whole.moments.sessions < FEWEST_SESSIONS:
                return f"NO VERDICT: at least {FEWEST_SESSIONS} sessions are needed to test significance."
            return "NO VERDICT: the returns do not vary, so significance cannot be tested."
        trials = counted(self.whole.trials, "trial")
        if self.passes:
            return (
                "PASS: the Sharpe ratios of the total return and of the excess over the universe are significant at "
                f"{REQUIRED_PROBABILITY * 100:.0f}% after adjusting for {trials}."
            )
        if self.whole.passes:
            return "FAIL: the return is explained by holding the universe."
        if self.whole.moments.sharpe <= 0:
            return "FAIL: the return after costs is not positive."
        if self.edge.passes:
            return "FAIL: the total return is not significant; the excess return over the universe is."
        if self.whole.trials == 1:
            return "FAIL: the return is not significantly different from 0."
        return f"FAIL: the best of {trials} without skill would do as well."

    def lines(self) -> list[str]:
        """The tests in words."""
        lines = [self.headline()]
        years = math.sqrt(self.sessions_per_year)
        for one, name in ((self.whole, "total return"), (self.edge, "return in excess of beta x universe mean")):
            if math.isnan(one.probability):
                continue
            threshold = "0"
            if one.trials > 1:
                threshold = (
                    f"{one.expected_max * years:.2f} per year, the expected maximum over {one.trials:,} trials "
                    "without skill"
                )
            lines.append(
                f"Deflated Sharpe ratio, {name}: {one.probability:.3f} (required: > {REQUIRED_PROBABILITY}). "
                f"This is the probability that the true Sharpe ratio exceeds {threshold}. "
                f"Observed Sharpe {one.moments.sharpe * years:.2f} per year, "
                f"skew {one.moments.skew:.2f}, kurtosis {one.moments.kurtosis:.1f} (normal distribution: 3)."
            )
        trials = counted(self.whole.trials, "distinct configuration")
        lines.append(f"Trials counted: {trials} in this workspace (runs/trials; repeated runs count once).")
        lines.append(overfitting_line(self.overfitting, self.whole.trials))
        return lines


def expected_max(found: DeflatedSharpe) -> float:
    """Its expected maximum, NaN where there is no probability either."""
    return math.nan if math.isnan(found.probability) else found.expected_max


def overfitting_line(found: Overfitting | None, trials: int) -> str:
    """The probability of overfitting in words. trials : all of the workspace"""
    if found is None:
        return (
            "Probability of back-test overfitting (PBO): not available. It needs at least 2 trials on the same "
            "universe over the same 20 or more sessions (kq sweep)."
        )
    left_out = trials - found.trials
    others = f"; {counted(left_out, 'other trial')} of the workspace not included" if left_out else ""
    return (
        f"Probability of back-test overfitting (PBO): {found.probability:.2f} over {found.trials:,} trials on this "
        f"universe and these {found.sessions:,} sessions ({found.splits:,} splits into halves{others}). "
        f"{overfitting_verdict(found.probability)}"
    )


def overfitting_verdict(probability: float) -> str:
    """What a probability of overfitting means; 0.5 is that of trials without skill."""
    if probability >= OVERFIT:
        return "HIGH: the best in-sample trial is no better out of sample than one selected at random (0.5)."
    if probability < LOW_OVERFIT:
        return (
            f"LOW (below {LOW_OVERFIT}): the best in-sample trial nearly always stays above the median out of sample."
        )
    return (
        f"ELEVATED ({LOW_OVERFIT} to {OVERFIT}): in {probability:.0%} of the splits the best in-sample trial falls to "
        "the median or below out of sample; trials without skill do so in 50%."
    )


def assess_luck(
    returns: FloatArray, edge: FloatArray, trials: Trials, overfitting: Overfitting | None, sessions_per_year: int
) -> Luck:
    """The tests of returns f64[T], which are recorded in `trials` already.

    edge : f64[T], the returns without the universe's; overfitting : of the trials that it was chosen among
    """
    sessions = trials.column("sessions")
    whole = deflated_sharpe(return_moments(returns), trials.column("sharpe"), sessions)
    without = deflated_sharpe(return_moments(edge), trials.column("edge_sharpe"), sessions)
    return Luck(whole, without, overfitting, sessions_per_year)
