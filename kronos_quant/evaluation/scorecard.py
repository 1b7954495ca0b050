"""The scorecard: a signal beside what it has to be better than, on the same dates and symbols.

Shapes: T dates (consecutive sessions; one without signals holds NaN), N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from kronos_quant.evaluation.arrays import FloatArray, IntArray, mean_of, row_means
from kronos_quant.evaluation.baselines import BAND, LEVELS, baselines
from kronos_quant.evaluation.contender import Contender
from kronos_quant.evaluation.correlation import ic, rank_ic
from kronos_quant.evaluation.distribution import DistributionCard, judge_distribution
from kronos_quant.evaluation.grid import MarketGrid, carried_returns, forward_returns
from kronos_quant.evaluation.interval import MeanInterval, NeweyWest, dates_needed, mean_interval, newey_west
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
from kronos_quant.evaluation.verdict import Finding, PairCounts, compared, find, what_to_know

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
    """Horizon in sessions -> rank IC of the same scores there."""
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


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The finding, the cards (the signal's first), and what to know about them."""

    finding: Finding
    horizon: int
    universe: str
    score: str
    dates: list[date]
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
        return tuple(line for line in (self.finding.explained, compared(ahead)) if line)

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

    rows : int64[T], consecutive rows of the grid on which the contenders' scores lie
    boundaries : what the model is known to have seen, or not known; notes : what the reader has to know besides
    """
    dates = [grid.sessions[row] for row in rows]
    signal = signal.where(grid.member[rows])
    assert signal.scores is not None
    scores = signal.scores
    cells = np.isfinite(scores)
    others = [*baselines(grid, rows, horizon, signal.levels or LEVELS), *against]
    contenders = [signal, *(other.where(cells) for other in others)]
    returns = forward_returns(grid.close, rows, horizon)
    cards = [_card(contender, scores, grid, rows, horizon, returns) for contender in contenders]
    cards = _with_crps_gains(cards, horizon)
    ranking = cards[0].ranking
    assert ranking is not None
    pairs = _pairs(scores, returns, grid, rows, horizon)
    seen = int((contaminated(dates, boundaries) & np.isfinite(ranking.rank_ic_by_date)).sum())
    daily = ranking.rank_ic_by_date
    return Scorecard(
        finding=find(ranking.rank_ic, horizon, pairs, seen, boundaries),
        horizon=horizon,
        universe=universe,
        score=score,
        dates=dates,
        cards=tuple(cards),
        slices=(
            *by_year(dates, daily, horizon),
            *by_regime(grid, rows, daily, horizon),
            *by_liquidity(grid, rows, scores, returns, horizon),
            *around_boundaries(dates, daily, horizon, boundaries),
        ),
        pairs=pairs,
        boundaries=tuple(boundaries),
        contaminated=seen,
        notes=(*notes, *what_to_know(pairs, ranking.rank_ic, horizon, seen, boundaries)),
    )


def _card(
    contender: Contender, signal: FloatArray, grid: MarketGrid, rows: IntArray, horizon: int, returns: FloatArray
) -> ContenderCard:
    ranking = distribution = None
    said = np.full(signal.shape, np.nan)
    if contender.forecast is not None:
        said = contender.forecast.point
        judged = judge_distribution(contender.forecast, returns, horizon)
        distribution = judged if judged.cells else None
    if contender.scores is not None:
        said = contender.scores
        ranking = _ranking(contender.scores, signal, grid, rows, horizon, returns)
    asked = grid.member[rows] & np.isfinite(signal).any(axis=1, keepdims=True)
    coverage = mean_of(row_means(np.where(asked, np.isfinite(said), np.nan)))
    return ContenderCard(contender.name, contender.says, coverage, ranking, distribution, None)


def _ranking(
    scores: FloatArray, signal: FloatArray, grid: MarketGrid, rows: IntArray, horizon: int, returns: FloatArray
) -> RankingCard:
    by_date, plain = rank_ic(scores, returns), ic(scores, returns)
    found = mean_interval(by_date, horizon)
    own = scores is signal
    return RankingCard(
        ic=mean_interval(plain, horizon),
        rank_ic=found,
        newey_west=newey_west(by_date, horizon),
        ic_by_date=plain,
        rank_ic_by_date=by_date,
        decay={
            ahead: mean_interval(rank_ic(scores, forward_returns(grid.close, rows, ahead)), ahead)
            for ahead in sorted({*DECAY, horizon})
        },
        portfolios=quantile_portfolios(scores, returns, horizon),
        ahead=None if own else mean_interval(rank_ic(signal, returns) - by_date, horizon),
        likeness=None if own else mean_of(rank_ic(signal, scores)),
        dates_needed=dates_needed(found),
    )


def _with_crps_gains(cards: Sequence[ContenderCard], horizon: int) -> list[ContenderCard]:
    """The cards, each distribution set against the volatility band's on the dates that have both."""
    band = next((card.distribution for card in cards if card.name == BAND), None)
    if band is None:
        return list(cards)
    return [
        replace(card, crps_gain=_crps_gain(card.distribution, band, horizon))
        if card.distribution is not None and card.distribution is not band
        else card
        for card in cards
    ]


def _crps_gain(said: DistributionCard, band: DistributionCard, horizon: int) -> MeanInterval:
    saved = band.crps_by_date - said.crps_by_date
    usual = mean_of(np.where(np.isfinite(saved), band.crps_by_date, np.nan))
    return mean_interval(saved, horizon).scaled(1 / usual)


def _pairs(scores: FloatArray, returns: FloatArray, grid: MarketGrid, rows: IntArray, horizon: int) -> PairCounts:
    scored = np.isfinite(scores)
    known = scored & np.isfinite(returns)
    not_yet = int(scored[rows + horizon >= len(grid.sessions)].sum())
    return PairCounts(
        scored=int(scored.sum()),
        known=int(known.sum()),
        not_yet=not_yet,
        without_bar=int(scored.sum() - known.sum()) - not_yet,
        carried_rank_ic=mean_of(rank_ic(scores, carried_returns(grid.close, rows, horizon))),
        most_symbols=int(known.sum(axis=1).max(initial=0)),
    )
