"""The scorecard: a signal next to what it has to be better than, on the same dates and symbols.

Shapes: T dates (consecutive sessions, or the moments of intraday bars; one without signals holds NaN), N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.display import Displayed, figure_text, summary_table
from kronos_quant.evaluation.baselines import LEVELS, baselines
from kronos_quant.evaluation.cards import ContenderCard, Sample, add_crps_gains, count_pairs, make_card
from kronos_quant.evaluation.contender import Contender
from kronos_quant.evaluation.grid import Clock, MarketGrid
from kronos_quant.evaluation.slices import (
    Boundary,
    Slice,
    around_boundaries,
    by_liquidity,
    by_regime,
    by_year,
    contaminated,
)
from kronos_quant.evaluation.tables import contender_dict, date_table, figure_table, interval_dict, summary
from kronos_quant.evaluation.verdict import EDGE, Evidence, PairCounts, Verdict, compared
from kronos_quant.panel.matrix import forward_returns, overlapping_rows
from kronos_quant.stats.intervals import CONFIDENCE

if TYPE_CHECKING:
    import pandas as pd

    from kronos_quant.charts import Chart


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Scorecard(Displayed):
    """The verdict on a signal, the cards (the signal's first), and what to know about them.

    >>> import tempfile, kronos_quant as kq
    >>> ws = kq.init(tempfile.mkdtemp())
    >>> bars = ws.ingest_synthetic(symbols=5, sessions=60) and ws.bars()
    >>> imported = ws.import_signals(bars.select("date", "symbol", score="close"), "mine")
    >>> ws.evaluate("mine").finding.headline[:7]
    'NO EDGE'
    """

    finding: Verdict
    horizon: int
    """In bars."""
    clock: Clock
    universe: str
    score: str
    dates: list[date]
    """The session of each."""
    times: list[datetime]
    """End stamp of the bar of each."""
    cards: tuple[ContenderCard, ...]
    slices: tuple[Slice, ...]
    pairs: PairCounts
    boundaries: tuple[Boundary, ...]
    contaminated: int
    """Dates that the model was trained on."""
    notes: tuple[str, ...]

    @property
    def signal(self) -> ContenderCard:
        """The card of what is evaluated."""
        return self.cards[0]

    @property
    def explained(self) -> tuple[str, ...]:
        """The sentences under the headline: how sure, and which baselines the signal is better than."""
        ahead = {card.name: card.ranking.ahead for card in self.cards if card.ranking and card.ranking.ahead}
        return tuple(line for line in (self.finding.explained, compared(ahead, self.clock)) if line)

    @property
    def signal_intervals(self) -> tuple[float, ...]:
        """The nominal intervals whose ends the signal's store has."""
        return tuple(self.signal.distribution.coverage) if self.signal.distribution else ()

    @property
    def figures(self) -> pl.DataFrame:
        """Every figure of every contender: contender, figure, detail, value, low, high, std_error, dates."""
        return figure_table(self.cards, self.slices)

    @property
    def by_date(self) -> pl.DataFrame:
        """IC, rank IC and CRPS of every contender on every date."""
        return date_table(self.cards, self.dates, self.times)

    @property
    def title(self) -> str:
        """What was evaluated, and over which dates."""
        return f"Scorecard: {self.signal.description}; {self.dates[0]} to {self.dates[-1]}, universe {self.universe}"

    def summary(self) -> pl.DataFrame:
        """Verdict, key figures of the signal and notes as text."""
        rows = [*(("", line) for line in self.explained), ("horizon", self.clock.bars(self.horizon))]
        ranking, timing, forecast = self.signal.ranking, self.signal.timing, self.signal.distribution
        if timing is not None:
            rows.append(("correlation over time", timing.correlation.text()))
        elif ranking is not None:
            rows += [
                ("rank IC", ranking.rank_ic.text()),
                ("ICIR", figure_text(ranking.rank_ic.ratio, "{:+.2f} per date, not annualised")),
                ("IC", ranking.ic.text()),
                (
                    "top minus bottom quintile",
                    figure_text(ranking.portfolios.long_short.mean, f"{{:+.2%}} per {self.clock.bars(self.horizon)}"),
                ),
                ("break-even cost", figure_text(ranking.portfolios.break_even_bps, "{:.1f} bps per trade")),
            ]
        if forecast is not None and 0.9 in forecast.coverage:
            rows.append(("coverage of the 90% interval", figure_text(forecast.coverage[0.9].mean, "{:.1%}")))
        rows += [
            (f"rank IC minus {card.name}", card.ranking.ahead.text())
            for card in self.cards
            if card.ranking is not None and card.ranking.ahead is not None
        ]
        return summary_table(rows, self.notes, self.finding.headline)

    def plot(self) -> Chart:
        """The rank IC of each date with its mean; where nothing is ranked, each contender's correlation over time."""
        from kronos_quant.charts import interval_figure, rank_ic_figure

        ranking = self.signal.ranking
        if ranking is not None and self.signal.timing is None:
            return rank_ic_figure(self.times, ranking.rank_ic_by_date, ranking.rank_ic, self.clock.date)
        rows = [(card.name, card.timing.correlation) for card in self.cards if card.timing is not None]
        return interval_figure(rows, label="correlation over time")

    def to_pandas(self) -> pd.DataFrame:
        """`figures` as a pandas table."""
        return self.figures.to_pandas()

    def as_dict(self) -> dict[str, Any]:
        """metrics.json: every figure, nested; a figure that is not defined is NaN."""
        return {
            "finding": self.finding.headline,
            "explained": list(self.explained),
            "kind": self.finding.kind,
            "edge": self.finding.edge,
            "edge_means": EDGE,
            "confidence": CONFIDENCE,
            "horizon": self.horizon,
            "horizon_unit": self.clock.bar,
            "score": self.score,
            "universe": self.universe,
            "first_date": self.dates[0],
            "last_date": self.dates[-1],
            "dates": len(self.dates),
            "contaminated_dates": self.contaminated,
            "model_has_seen": {boundary.what: boundary.until for boundary in self.boundaries},
            "returns": f"close of the {self.clock.date} to the close of the later {self.clock.bar}, adjusted",
            "pairs": {name: getattr(self.pairs, name) for name in self.pairs.__slots__},
            "contenders": {one.name: contender_dict(one) for one in self.cards},
            "slices": [{"kind": part.kind, "label": part.label} | interval_dict(part.rank_ic) for part in self.slices],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class EvaluationRun(Scorecard):
    """A scorecard with the run that it left: its folder, and its metrics.json."""

    folder: Path
    metrics: dict[str, Any]

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.folder / "scorecard.html"

    def rows(self) -> list[dict[str, str]]:
        """The signal and the baselines side by side."""
        return summary(self.cards)

    def head(self) -> list[str]:
        """The verdict, in words."""
        return [self.finding.headline, *self.explained]

    def lines(self) -> list[str]:
        """Notes on the figures, and the page to open."""
        return [*self.notes, f"page: {self.page}"]


def make_scorecard(
    signal: Contender,
    grid: MarketGrid,
    rows: IntArray,
    horizon: int,
    *,
    against: Sequence[Contender] = (),
    boundaries: Sequence[Boundary] = (),
    universe: str = "all",
    score: str = "score",
    notes: Sequence[str] = (),
) -> Scorecard:
    """Measure a signal, over a horizon in bars, against the baselines and the contenders `against`.

    rows : int64[T], ascending rows of the grid on which the contenders' scores lie; of daily bars consecutive ones.
    boundaries : what the model is known to have seen, or may have. universe, score, notes : for the reader.
    """
    dates = [grid.sessions[row] for row in rows]
    signal = signal.where(grid.member[rows])
    assert signal.scores is not None
    returns = forward_returns(grid.close, rows, horizon)
    test = Sample(signal.scores, grid, rows, horizon, overlapping_rows(rows, horizon), returns)
    cells = np.isfinite(signal.scores)
    others = [*baselines(grid, rows, horizon, signal.levels or LEVELS), *against]
    cards = add_crps_gains([make_card(one, test) for one in (signal, *(o.where(cells) for o in others))], test)
    ranking, pairs = cards[0].ranking, count_pairs(test)
    assert ranking is not None
    daily = ranking.rank_ic_by_date
    judged = np.isfinite(daily) if cards[0].timing is None else test.known.any(axis=1)
    seen, clock = int((contaminated(dates, boundaries) & judged).sum()), grid.clock
    timing, count = cards[0].timing, int(judged.sum())
    evidence = Evidence(ranking.rank_ic, horizon, pairs, seen, count, boundaries, clock, timing)
    return Scorecard(
        finding=evidence.verdict(),
        horizon=horizon,
        clock=clock,
        universe=universe,
        score=score,
        dates=dates,
        times=[grid.times[row] for row in rows],
        cards=tuple(cards),
        slices=_slices(test, dates, daily, boundaries),
        pairs=pairs,
        boundaries=tuple(boundaries),
        contaminated=seen,
        notes=(*notes, *evidence.notes()),
    )


def _slices(
    test: Sample, dates: Sequence[date], daily: FloatArray, boundaries: Sequence[Boundary]
) -> tuple[Slice, ...]:
    return (
        *by_year(dates, daily, test.overlap),
        *by_regime(test.grid, test.rows, daily, test.overlap),
        *by_liquidity(test.grid, test.rows, test.signal, test.returns, test.overlap),
        *around_boundaries(dates, daily, test.overlap, boundaries),
    )
