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

EDGE = "the lower end of the two-sided 95% interval of the mean rank IC at the main horizon is above 0"
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


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdict on a signal goes by."""

    rank_ic: MeanInterval
    """Its mean at the main horizon."""
    horizon: int
    """In bars."""
    pairs: PairCounts
    seen: int = 0
    """Dates that the model is known to have been trained on."""
    judged: int = 0
    """Dates of the figures."""
    boundaries: Sequence[Boundary] = ()
    """What the model has seen, or may have."""
    clock: Clock = DAILY
    timing: TimeSeriesFit | None = None
    """Given where there are too few symbols to rank."""

    @property
    def unknown(self) -> list[str]:
        """The data whose end is unknown."""
        return [boundary.what for boundary in self.boundaries if boundary.until is None]

    def verdict(self) -> Verdict:
        """On the mean rank IC, or where there are too few symbols to rank, on what is known over time."""
        rank_ic, date = self.rank_ic, self.clock.date
        if self.timing is not None:
            return self._over_time(self.timing.correlation)
        if self.pairs.known and not rank_ic.dates:
            headline = f"NO RANK IC: on every {date} all scores are equal, so symbols cannot be ranked."
            return Verdict("nobody to rank", headline, "")
        if not rank_ic.known:
            return Verdict("too few dates", f"NOT ENOUGH DATA: {self._lack()}", "")
        dates = self.clock.dates(rank_ic.dates)
        figures = f"rank IC {rank_ic.text()}, {self.horizon}-{self.clock.bar} horizon, {dates}"
        if not rank_ic.above_zero:
            return Verdict("no edge", f"NO EDGE: {figures}", self._no_edge())
        if self.seen:
            return Verdict(
                "edge",
                f"IN-SAMPLE, NO VERDICT: {figures}, but the model was trained on {self.seen} of these {date}s.",
                f"Only {date}s after its training data count as evidence.",
            )
        unseen = f"provided that the model was not trained on these {date}s; unknown for: {', '.join(self.unknown)}"
        proviso = f" ({unseen})" if self.unknown else ""
        return Verdict("edge", f"EDGE{proviso}: {figures}", "The confidence interval is entirely above 0.")

    def notes(self) -> list[str]:
        """For a reader of the figures: what the model may have seen, and which returns are missing."""
        pairs, clock = self.pairs, self.clock
        notes = [
            f"The end date of the {what} is unknown, so look-ahead contamination cannot be ruled out."
            for what in self.unknown
        ]
        if self.seen:
            notes.append(f"CONTAMINATED: the model was trained on {self.seen} of the {clock.dates(self.judged)}.")
        notes.append(
            f"Returns are close-to-close over {clock.bars(self.horizon)}, adjusted. A trade would fill one {clock.bar} "
            "later and pay costs."
        )
        if pairs.not_yet:
            notes.append(
                f"{pairs.not_yet:,} of {pairs.scored:,} scores have no return yet: the data end before the horizon."
            )
        if pairs.without_bar:
            carried, reported = (f"{value:+.3f}" for value in (pairs.carried_rank_ic, self.rank_ic.mean))
            differs = carried != reported and math.isfinite(pairs.carried_rank_ic + self.rank_ic.mean)
            notes.append(
                f"{pairs.without_bar:,} of {pairs.scored:,} scores have no return because the symbol had no bar at the "
                "horizon (suspended or delisted); excluded."
                + f" Valued at the last close instead, rank IC would be {carried} (reported: {reported})."
                * differs
            )
        return notes

    def _over_time(self, correlation: MeanInterval) -> Verdict:
        return Verdict(
            "nobody to rank",
            f"NO RANK IC: it needs at least {FEWEST_PAIRS} symbols per {self.clock.date} with score and return, found "
            f"at most {self.pairs.most_symbols}. Correlation of score and return over time: {correlation.text()}, "
            f"{self.clock.dates(correlation.dates)}",
            "Edge verdicts cover cross-sectional ranking only. These figures describe the time-series correlation "
            "within one symbol.",
        )

    def _no_edge(self) -> str:
        if self.rank_ic.high < 0:
            return "The confidence interval is entirely below 0: the signal ranks in the wrong direction."
        needed = dates_needed(self.rank_ic)
        if needed is None:
            return "The confidence interval contains 0 and the mean is not positive."
        return (
            f"The confidence interval contains 0. Detecting a true rank IC of {self.rank_ic.mean:.3f} would take about "
            f"{self.clock.dates(needed)} (80% power)."
        )

    def _lack(self) -> str:
        clock, span = self.clock, self.clock.bars(4 * self.horizon)
        if not self.pairs.known:
            return f"no return over {clock.bars(self.horizon)} is known yet for any of the scored {clock.date}s."
        return (
            f"rank IC {self.rank_ic.mean:+.3f} over {clock.dates(self.rank_ic.dates)}; a confidence interval needs at "
            f"least 12 {clock.date}s spanning {span} or more (horizon {self.horizon})."
        )


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
