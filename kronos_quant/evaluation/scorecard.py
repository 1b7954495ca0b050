"""The scorecard: a signal beside what it has to be better than, on the same dates and symbols.

Shapes: T dates (consecutive sessions, or the moments of intraday bars; one without signals holds NaN), N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.evaluation.baselines import BAND, LEVELS, baselines
from kronos_quant.evaluation.contender import Contender, Distribution
from kronos_quant.evaluation.distribution import DistributionCard, judge_distribution, share_inside
from kronos_quant.evaluation.grid import Clock, MarketGrid
from kronos_quant.evaluation.portfolios import Portfolios, quantile_portfolios
from kronos_quant.evaluation.slices import (
    Boundary,
    Slice,
    around_boundaries,
    by_liquidity,
    by_regime,
    by_year,
    contaminated,
)
from kronos_quant.evaluation.timing import Timing, timing
from kronos_quant.evaluation.verdict import Finding, PairCounts, compared, find, what_to_know
from kronos_quant.panel.matrix import carried_forward_returns, finite_mean, forward_returns, overlapping_rows, row_means
from kronos_quant.stats.correlation import FEWEST_PAIRS, ic, rank_ic
from kronos_quant.stats.intervals import MeanInterval, NeweyWest, dates_needed, mean_interval, newey_west

DECAY = (1, 2, 3, 5, 10, 20)
"""Horizons of the decay, besides the main one."""


@dataclass(frozen=True, slots=True)
class RankingCard:
    """How a contender's order of the symbols did."""

    ic: MeanInterval
    rank_ic: MeanInterval
    newey_west: NeweyWest
    """Of the rank IC."""
    ic_by_date: FloatArray
    rank_ic_by_date: FloatArray
    decay: dict[int, MeanInterval]
    """Horizon in bars -> rank IC of the same scores there."""
    portfolios: Portfolios
    ahead: MeanInterval | None
    """Rank IC of the signal less this one's, on the dates that have both; None for the signal itself."""
    likeness: float | None
    """Mean rank correlation of these scores with the signal's."""
    dates_needed: int | None
    """For an IC of this size to be told from 0 with a chance of 80 %; None where it is not above 0."""


@dataclass(frozen=True, slots=True)
class ContenderCard:
    """Everything measured of one contender."""

    name: str
    says: str
    coverage: float
    """Mean share of the universe's members with a score or a distribution."""
    ranking: RankingCard | None
    distribution: DistributionCard | None
    crps_gain: MeanInterval | None
    """CRPS saved against the volatility band, as a share of the band's; None where either is missing."""
    timing: Timing | None = None
    """Where no date has symbols enough to rank."""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The finding, the cards (the signal's first), and what to know about them."""

    finding: Finding
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
    """Dates that the model has seen."""
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
    """Measure a signal against the baselines and whatever else is given.

    rows : int64[T], ascending rows of the grid on which the contenders' scores lie; of daily bars consecutive ones
    boundaries : what the model is known to have seen, or not known; notes : what the reader has to know besides
    """
    dates = [grid.sessions[row] for row in rows]
    signal = signal.where(grid.member[rows])
    assert signal.scores is not None
    returns = forward_returns(grid.close, rows, horizon)
    test = _Test(signal.scores, grid, rows, horizon, overlapping_rows(rows, horizon), returns)
    cells = np.isfinite(signal.scores)
    others = [*baselines(grid, rows, horizon, signal.levels or LEVELS), *against]
    cards = _with_crps_gains([_card(one, test) for one in (signal, *(o.where(cells) for o in others))], test)
    ranking, pairs = cards[0].ranking, _pairs(test)
    assert ranking is not None
    daily, reach = ranking.rank_ic_by_date, test.overlap
    judged = np.isfinite(daily) if cards[0].timing is None else test.known.any(axis=1)
    seen, clock = int((contaminated(dates, boundaries) & judged).sum()), grid.clock
    known = what_to_know(pairs, ranking.rank_ic, horizon, seen, boundaries, judged=int(judged.sum()), clock=clock)
    return Scorecard(
        finding=find(ranking.rank_ic, horizon, pairs, seen, boundaries, clock=clock, timing=cards[0].timing),
        horizon=horizon,
        clock=clock,
        universe=universe,
        score=score,
        dates=dates,
        times=[grid.times[row] for row in rows],
        cards=tuple(cards),
        slices=(
            *by_year(dates, daily, reach),
            *by_regime(grid, rows, daily, reach),
            *by_liquidity(grid, rows, signal.scores, test.returns, reach),
            *around_boundaries(dates, daily, reach, boundaries),
        ),
        pairs=pairs,
        boundaries=tuple(boundaries),
        contaminated=seen,
        notes=(*notes, *known),
    )


@dataclass(frozen=True, slots=True)
class _Test:
    """What every contender is put to."""

    signal: FloatArray
    """[T, N]: the scores of what is evaluated."""
    grid: MarketGrid
    rows: IntArray
    horizon: int
    overlap: int
    """Dates over which a return reaches."""
    returns: FloatArray
    """[T, N]."""

    @property
    def known(self) -> BoolArray:
        """bool[T, N]: scored, and the return is there."""
        return np.isfinite(self.signal) & np.isfinite(self.returns)


def _card(contender: Contender, test: _Test) -> ContenderCard:
    ranking = distribution = over_time = None
    said = np.full(test.signal.shape, np.nan)
    if contender.forecast is not None:
        said = contender.forecast.point
        judged = judge_distribution(contender.forecast, test.returns, test.overlap)
        distribution = replace(judged, by_bar=_by_bar(contender.forecast, test)) if judged.cells else None
    if contender.scores is not None:
        said = contender.scores
        ranking = _ranking(contender.scores, test)
        if 0 < test.known.sum(axis=1).max(initial=0) < FEWEST_PAIRS:
            over_time = timing(contender.scores, test.returns, test.overlap)
    asked = test.grid.member[test.rows] & np.isfinite(test.signal).any(axis=1, keepdims=True)
    coverage = finite_mean(row_means(np.where(asked, np.isfinite(said), np.nan)))
    return ContenderCard(contender.name, contender.says, coverage, ranking, distribution, None, over_time)


def _by_bar(said: Distribution, test: _Test) -> tuple[MeanInterval, ...]:
    if said.by_bar is None:
        return ()
    low, high = said.by_bar
    close, rows = test.grid.close, test.rows
    return tuple(
        share_inside(
            low[..., bar], high[..., bar], forward_returns(close, rows, bar + 1), overlapping_rows(rows, bar + 1)
        )
        for bar in range(low.shape[-1])
    )


def _ranking(scores: FloatArray, test: _Test) -> RankingCard:
    by_date, plain = rank_ic(scores, test.returns), ic(scores, test.returns)
    found = mean_interval(by_date, test.overlap)
    own = scores is test.signal
    close, rows = test.grid.close, test.rows
    return RankingCard(
        ic=mean_interval(plain, test.overlap),
        rank_ic=found,
        newey_west=newey_west(by_date, test.overlap),
        ic_by_date=plain,
        rank_ic_by_date=by_date,
        decay={
            ahead: mean_interval(rank_ic(scores, forward_returns(close, rows, ahead)), overlapping_rows(rows, ahead))
            for ahead in sorted({*DECAY, test.horizon})
        },
        portfolios=quantile_portfolios(scores, test.returns, test.overlap),
        ahead=None if own else mean_interval(rank_ic(test.signal, test.returns) - by_date, test.overlap),
        likeness=None if own else finite_mean(rank_ic(test.signal, scores)),
        dates_needed=dates_needed(found),
    )


def _with_crps_gains(cards: Sequence[ContenderCard], test: _Test) -> list[ContenderCard]:
    """The cards, each distribution set against the volatility band's on the dates that have both."""
    band = next((card.distribution for card in cards if card.name == BAND), None)
    if band is None:
        return list(cards)
    return [
        replace(card, crps_gain=_crps_gain(card.distribution, band, test.overlap))
        if card.distribution is not None and card.distribution is not band
        else card
        for card in cards
    ]


def _crps_gain(said: DistributionCard, band: DistributionCard, overlap: int) -> MeanInterval:
    saved = band.crps_by_date - said.crps_by_date
    usual = finite_mean(np.where(np.isfinite(saved), band.crps_by_date, np.nan))
    return mean_interval(saved, overlap).scaled(1 / usual)


def _pairs(test: _Test) -> PairCounts:
    scored, known = np.isfinite(test.signal), test.known
    not_yet = int(scored[test.rows + test.horizon >= len(test.grid.close)].sum())
    carried = carried_forward_returns(test.grid.close, test.rows, test.horizon)
    return PairCounts(
        scored=int(scored.sum()),
        known=int(known.sum()),
        not_yet=not_yet,
        without_bar=int(scored.sum() - known.sum()) - not_yet,
        carried_rank_ic=finite_mean(rank_ic(test.signal, carried)),
        most_symbols=int(known.sum(axis=1).max(initial=0)),
    )
