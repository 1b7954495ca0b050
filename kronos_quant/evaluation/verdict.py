"""The verdict of a scorecard, and what to know about its figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kronos_quant.evaluation.grid import DAILY, Clock
from kronos_quant.evaluation.ranking import TimeSeriesFit
from kronos_quant.evaluation.slices import Boundary
from kronos_quant.stats.correlation import FEWEST_PAIRS
from kronos_quant.stats.intervals import MeanInterval, dates_needed

EDGE = "the lower end of the two-sided 95 % interval of the mean rank IC at the main horizon is above 0"
"""What "edge" means, here and everywhere."""

Kind = Literal["edge", "no edge", "too few dates", "nobody to rank"]


@dataclass(frozen=True, slots=True)
class PairCounts:
    """What became of the scored pairs of date and symbol."""

    scored: int
    known: int
    not_yet: int
    """The later bar is after the end of the data."""
    without_bar: int
    """The symbol lacks the later bar: suspended or gone. Left out."""
    carried_rank_ic: float
    """The signal's mean rank IC with the last close before it in place of the missing ones."""
    most_symbols: int
    """Scored symbols with a known return on the fullest date."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether there is an edge, by the one definition of it, in words."""

    kind: Kind
    headline: str
    explained: str

    @property
    def edge(self) -> bool:
        """Whether there is an edge."""
        return self.kind == "edge"


def judge(
    rank_ic: MeanInterval,
    horizon: int,
    pairs: PairCounts,
    seen_dates: int,
    boundaries: Sequence[Boundary] = (),
    *,
    clock: Clock = DAILY,
    timing: TimeSeriesFit | None = None,
) -> Verdict:
    """The verdict on a mean rank IC, or where there are too few symbols to rank, on what is known over time.

    Parameters
    ----------
    rank_ic
        Mean rank IC at the main horizon.
    horizon
        In bars.
    pairs
        What became of the scored pairs.
    seen_dates
        Dates that the model is known to have been trained on.
    boundaries
        What the model has seen, or may have.
    clock
        What horizon and dates are counted in.
    timing
        Given where there are too few symbols to rank.
    """
    if timing is not None:
        return _over_time(timing, pairs, clock)
    if pairs.known and not rank_ic.dates:
        headline = f"NO RANK IC: on every {clock.date} all scores are equal, so symbols cannot be ranked."
        return Verdict("nobody to rank", headline, "")
    if not rank_ic.known:
        return Verdict("too few dates", f"NOT ENOUGH DATA: {_lack(rank_ic, horizon, pairs, clock)}", "")
    figures = f"rank IC {rank_ic.text()}, {horizon}-{clock.bar} horizon, {clock.dates(rank_ic.dates)}"
    kind: Kind = "edge" if rank_ic.above_zero else "no edge"
    if seen_dates and kind == "edge":
        return Verdict(
            kind,
            f"IN-SAMPLE, NO VERDICT: {figures}, but the model was trained on {seen_dates} of these {clock.date}s.",
            f"Only {clock.date}s after its training data count as evidence.",
        )
    if kind == "edge":
        unknown = [boundary.what for boundary in boundaries if boundary.until is None]
        proviso = (
            f" (provided that the model was not trained on these {clock.date}s; unknown for: {', '.join(unknown)})"
            if unknown
            else ""
        )
        return Verdict(kind, f"EDGE{proviso}: {figures}", "The confidence interval is entirely above 0.")
    return Verdict(kind, f"NO EDGE: {figures}", _no_edge(rank_ic, clock))


def _over_time(found: TimeSeriesFit, pairs: PairCounts, clock: Clock) -> Verdict:
    correlation = found.correlation
    return Verdict(
        "nobody to rank",
        f"NO RANK IC: it needs at least {FEWEST_PAIRS} symbols per {clock.date} with score and return, found at most "
        f"{pairs.most_symbols}. Correlation of score and return over time: {correlation.text()}, "
        f"{clock.dates(correlation.dates)}",
        "Edge verdicts cover cross-sectional ranking only. These figures describe the time-series correlation within "
        "one symbol.",
    )


def _no_edge(rank_ic: MeanInterval, clock: Clock) -> str:
    if rank_ic.high < 0:
        return "The confidence interval is entirely below 0: the signal ranks in the wrong direction."
    needed = dates_needed(rank_ic)
    if needed is None:
        return "The confidence interval contains 0 and the mean is not positive."
    return (
        f"The confidence interval contains 0. Detecting a true rank IC of {rank_ic.mean:.3f} would take about "
        f"{clock.dates(needed)} (80 % power)."
    )


def _lack(rank_ic: MeanInterval, horizon: int, pairs: PairCounts, clock: Clock) -> str:
    if not pairs.known:
        return f"no return over {clock.bars(horizon)} is known yet for any of the scored {clock.date}s."
    return (
        f"rank IC {rank_ic.mean:+.3f} over {clock.dates(rank_ic.dates)}; a confidence interval needs at least 12 "
        f"{clock.date}s spanning {clock.bars(4 * horizon)} or more (horizon {horizon})."
    )


def what_to_know(
    pairs: PairCounts,
    rank_ic: MeanInterval,
    horizon: int,
    seen_dates: int,
    boundaries: Sequence[Boundary],
    *,
    judged: int,
    clock: Clock = DAILY,
) -> list[str]:
    """Notes for a reader of the figures: what the model may have seen, and which returns are missing.

    Parameters
    ----------
    pairs, rank_ic, horizon, seen_dates, boundaries, clock
        As of `judge`.
    judged
        The dates of the figures.
    """
    notes = [
        f"The end date of the {boundary.what} is unknown, so look-ahead contamination cannot be ruled out."
        for boundary in boundaries
        if boundary.until is None
    ]
    if seen_dates:
        notes.append(f"CONTAMINATED: the model was trained on {seen_dates} of the {clock.dates(judged)}.")
    notes.append(
        f"Returns are close-to-close over {clock.bars(horizon)}, adjusted. A trade would fill one {clock.bar} later "
        "and pay costs."
    )
    if pairs.not_yet:
        notes.append(
            f"{pairs.not_yet:,} of {pairs.scored:,} scores have no return yet: the data end before the horizon."
        )
    if pairs.without_bar:
        excluded = (
            f"{pairs.without_bar:,} of {pairs.scored:,} scores have no return because the symbol had no bar at the "
            "horizon (suspended or delisted); excluded."
        )
        if math.isfinite(pairs.carried_rank_ic) and math.isfinite(rank_ic.mean):
            carried, reported = f"{pairs.carried_rank_ic:+.3f}", f"{rank_ic.mean:+.3f}"
            if carried != reported:
                excluded += f" Valued at the last close instead, rank IC would be {carried} (reported: {reported})."
        notes.append(excluded)
    return notes


def compared(ahead: Mapping[str, MeanInterval], clock: Clock = DAILY) -> str:
    """Which others the signal ranks better and worse than; empty where there are too few dates to say.

    ahead : name -> rank IC of the signal minus the other's
    """
    known = {name: found for name, found in ahead.items() if found.known}
    better = [name for name, found in known.items() if found.low > 0]
    worse = [name for name, found in known.items() if found.high < 0]
    alike = [name for name in known if name not in (*better, *worse)]
    parts = (
        ("significantly better than", better),
        ("significantly worse than", worse),
        ("not significantly different from", alike),
    )
    verdicts = "; ".join(f"{words} {', '.join(names)}" for words, names in parts if names)
    return f"Rank IC on the same {clock.date}s: {verdicts}." if verdicts else ""
