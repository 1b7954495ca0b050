"""The first line of a scorecard: what was found, and how sure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kronos_quant.evaluation.grid import DAILY, Clock
from kronos_quant.evaluation.slices import Boundary
from kronos_quant.evaluation.timing import Timing
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
class Finding:
    """What was found, by the one definition of an edge, and in words."""

    kind: Kind
    headline: str
    explained: str

    @property
    def edge(self) -> bool:
        """Whether an edge was found."""
        return self.kind == "edge"


def find(
    rank_ic: MeanInterval,
    horizon: int,
    pairs: PairCounts,
    seen_dates: int,
    boundaries: Sequence[Boundary] = (),
    *,
    clock: Clock = DAILY,
    timing: Timing | None = None,
) -> Finding:
    """Put a mean rank IC into words, or where there is nobody to rank, what is known over time.

    seen_dates : dates that the model is known to have seen; clock : what horizon and dates are counted in
    """
    if timing is not None:
        return _nobody_to_rank(timing, pairs, clock)
    if pairs.known and not rank_ic.dates:
        return Finding(
            "nobody to rank", f"NO RANK IC: all scores of every {clock.date} are equal: they rank nobody", ""
        )
    if not rank_ic.known:
        lack = _lack(rank_ic, horizon, pairs, clock)
        return Finding("too few dates", f"TOO FEW {clock.date.upper()}S TO SAY: {lack}", "")
    figures = f"rank IC {rank_ic.told(clock.dates(rank_ic.dates))} {clock.bars(horizon)} ahead"
    kind: Kind = "edge" if rank_ic.above_zero else "no edge"
    if seen_dates and kind == "edge":
        return Finding(
            kind,
            f"NOT A FINDING, CONTAMINATED: {figures}, but the model has seen {seen_dates} of these {clock.date}s",
            f"What a model has learnt it can repeat: only {clock.date}s after its data can show an edge.",
        )
    if kind == "edge":
        unknown = [boundary.what for boundary in boundaries if boundary.until is None]
        proviso = f", if the model never saw these {clock.date}s (not known: {', '.join(unknown)})" if unknown else ""
        return Finding(kind, f"EDGE{proviso}: {figures}", "The whole interval is above 0.")
    return Finding(kind, f"NO EDGE FOUND: {figures}", _no_edge(rank_ic, clock))


def _nobody_to_rank(found: Timing, pairs: PairCounts, clock: Clock) -> Finding:
    needs = f"it needs {FEWEST_PAIRS} symbols a {clock.date} with score and return, found at most {pairs.most_symbols}"
    figures = found.correlation.told(clock.dates(found.correlation.dates))
    return Finding(
        "nobody to rank",
        f"NO RANK IC: {needs}. Over time, score and return of a symbol have the correlation {figures}",
        "An edge is declared for rankings only: these figures say whether the score goes with the symbol's own return.",
    )


def _no_edge(rank_ic: MeanInterval, clock: Clock) -> str:
    if rank_ic.high < 0:
        return "The whole interval is below 0: the signal ranks the wrong way round."
    needed = dates_needed(rank_ic)
    if needed is None:
        return "The interval holds 0, and the mean is not above it."
    return (
        f"The interval holds 0. If the true rank IC is {rank_ic.mean:.3f}, about {clock.dates(needed)} would tell it "
        "from 0 (chance 80 %)."
    )


def _lack(rank_ic: MeanInterval, horizon: int, pairs: PairCounts, clock: Clock) -> str:
    if not pairs.known:
        return f"no return over {clock.bars(horizon)} is known yet for any of the scored {clock.date}s"
    return (
        f"rank IC {rank_ic.mean:+.3f} over {clock.dates(rank_ic.dates)}; an interval needs 12 "
        f"{clock.date}s at least, over {clock.bars(4 * horizon)} or more for a horizon of {horizon}"
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
    """What a reader of the figures has to know: what the model may have seen, and which returns are missing.

    judged : the dates of the figures
    """
    told = [
        f"It is not known until when the {boundary.what} reach: the figures may be contaminated by them."
        for boundary in boundaries
        if boundary.until is None
    ]
    if seen_dates:
        told.append(f"CONTAMINATED: the model has seen {seen_dates} of the {clock.dates(judged)}.")
    told.append(
        f"Returns go from the close of the {clock.date} to the close {clock.bars(horizon)} later, adjusted: what a "
        f"forecast is about. A trade comes a {clock.bar} later and pays."
    )
    if pairs.not_yet:
        told.append(f"{pairs.not_yet:,} of {pairs.scored:,} scores have no return yet: the data end before.")
    if pairs.without_bar:
        left_out = (
            f"{pairs.without_bar:,} of {pairs.scored:,} scores are left out, for their symbol lacks the later "
            f"{clock.bar} (suspended or gone)."
        )
        if math.isfinite(pairs.carried_rank_ic) and math.isfinite(rank_ic.mean):
            left_out += (
                f" With its last close instead, the rank IC is {pairs.carried_rank_ic:+.3f} in place of "
                f"{rank_ic.mean:+.3f}."
            )
        told.append(left_out)
    return told


def compared(ahead: Mapping[str, MeanInterval], clock: Clock = DAILY) -> str:
    """Which others the signal ranks better and worse than; empty where there are too few dates to say.

    ahead : name -> rank IC of the signal less the other's
    """
    known = {name: found for name, found in ahead.items() if found.known}
    better = [name for name, found in known.items() if found.low > 0]
    worse = [name for name, found in known.items() if found.high < 0]
    alike = [name for name in known if name not in (*better, *worse)]
    parts = (("better than", better), ("worse than", worse), ("not told apart from", alike))
    told = "; ".join(f"{words} {', '.join(names)}" for words, names in parts if names)
    return f"Its ranking on the same {clock.date}s: {told}." if told else ""
