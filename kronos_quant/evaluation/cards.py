"""What is measured of each contender, on the same dates, symbols and returns.

Shapes: T dates (consecutive sessions, or the moments of intraday bars; one without signals holds NaN), N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.evaluation.baselines import BAND
from kronos_quant.evaluation.contender import Contender, Distribution
from kronos_quant.evaluation.distribution import DistributionCard, measure_distribution, share_inside
from kronos_quant.evaluation.grid import MarketGrid
from kronos_quant.evaluation.ranking import Portfolios, TimeSeriesFit, measure_timing, quantile_portfolios
from kronos_quant.evaluation.verdict import PairCounts
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
    """Rank IC of the signal minus this one's, on the dates that have both; None for the signal itself."""
    likeness: float | None
    """Mean rank correlation of these scores with the signal's."""
    dates_needed: int | None
    """To detect an IC of this size with 80% power; None where it is not above 0."""


@dataclass(frozen=True, slots=True)
class ContenderCard:
    """Everything measured of one contender."""

    name: str
    description: str
    coverage: float
    """Mean share of the universe's members with a score or a distribution."""
    ranking: RankingCard | None
    distribution: DistributionCard | None
    crps_gain: MeanInterval | None
    """CRPS saved against the volatility band, as a share of the band's; None where either is missing."""
    timing: TimeSeriesFit | None = None
    """Where no date has symbols enough to rank."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What every contender is measured on."""

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


def make_card(contender: Contender, test: Sample) -> ContenderCard:
    """Measure a contender."""
    ranking = distribution = over_time = None
    given = np.full(test.signal.shape, np.nan)
    if contender.forecast is not None:
        given = contender.forecast.point
        measured = measure_distribution(contender.forecast, test.returns, test.overlap)
        distribution = replace(measured, by_bar=_by_bar(contender.forecast, test)) if measured.cells else None
    if contender.scores is not None:
        given = contender.scores
        ranking = _ranking(contender.scores, test)
        if 0 < test.known.sum(axis=1).max(initial=0) < FEWEST_PAIRS:
            over_time = measure_timing(contender.scores, test.returns, test.overlap)
    wanted = test.grid.member[test.rows] & np.isfinite(test.signal).any(axis=1, keepdims=True)
    coverage = finite_mean(row_means(np.where(wanted, np.isfinite(given), np.nan)))
    return ContenderCard(contender.name, contender.description, coverage, ranking, distribution, None, over_time)


def _by_bar(forecast: Distribution, test: Sample) -> tuple[MeanInterval, ...]:
    if forecast.by_bar is None:
        return ()
    low, high = forecast.by_bar
    close, rows = test.grid.close, test.rows
    return tuple(
        share_inside(
            low[..., bar], high[..., bar], forward_returns(close, rows, bar + 1), overlapping_rows(rows, bar + 1)
        )
        for bar in range(low.shape[-1])
    )


def _ranking(scores: FloatArray, test: Sample) -> RankingCard:
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


def add_crps_gains(cards: Sequence[ContenderCard], test: Sample) -> list[ContenderCard]:
    """The cards, each distribution compared with the volatility band's on the dates that have both."""
    band = next((card.distribution for card in cards if card.name == BAND), None)
    if band is None:
        return list(cards)
    return [
        replace(card, crps_gain=_crps_gain(card.distribution, band, test.overlap))
        if card.distribution is not None and card.distribution is not band
        else card
        for card in cards
    ]


def _crps_gain(card: DistributionCard, band: DistributionCard, overlap: int) -> MeanInterval:
    saved = band.crps_by_date - card.crps_by_date
    usual = finite_mean(np.where(np.isfinite(saved), band.crps_by_date, np.nan))
    return mean_interval(saved, overlap).scaled(1 / usual)


def count_pairs(test: Sample) -> PairCounts:
    """What became of the pairs that the signal scores."""
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
