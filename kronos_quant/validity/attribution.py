"""Where a back-test's return came from: market, styles, industries, selection, trading, costs.

In each session the returns of all symbols are regressed, across symbols, on what they were exposed to at the close
before. The factor returns found, times what the portfolio held of each exposure, are what the factor gave; what is left
of the holdings' return is selection; what trades earned from their price to the close is trading. The parts add up to
the account's return in every session.

Shape letters: H sessions before the panel, S sessions traded, N symbols, K styles, G industries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.backtest import BacktestResult, Panel
from kronos_quant.backtest.panel import SymbolGroups
from kronos_quant.market import Market
from kronos_quant.panel.factors import style_exposures, style_history
from kronos_quant.panel.matrix import daily_matrices, interval_groups, standard_scores
from kronos_quant.stats.intervals import mean_interval
from kronos_quant.validity.holdings import account_before, moves_of, shares_of, values_before

MARKET, INDUSTRIES, SELECTION, COSTS = "market", "industries", "selection", "costs"
TRADING = "execution (fill to close)"
DIVIDEND_TAX = "dividend tax"

SIZE = "size (traded value)"
"""Bars hold no number of shares, so that the value traded stands for size."""
NAMES = {"size": SIZE, "momentum": "momentum", "volatility": "volatility"}
"""The styles of `panel.factors`, and what they are called in an attribution."""

HISTORY = style_history()
"""Sessions before the first of a panel that all styles need."""

FARTHEST = 3.0
"""Standard deviations; what is farther out counts as much."""


@dataclass(frozen=True, slots=True)
class ReturnPart:
    """What one source gave.

    annual_return : mean per session x sessions per year; t : of that mean, by the errors of `stats.intervals`
    exposure : mean of what the portfolio held of it, in the account's share (market, industry) or in standard scores
    times that (styles); NaN where there is no such thing
    """

    name: str
    annual_return: float
    t: float
    exposure: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """parts : in the order market, styles, industries, selection, trading, costs, tax; their sum is `total`.

    industries : each industry by itself, the largest first; empty where none are given
    unknown : styles for which there were too few bars
    """

    parts: tuple[ReturnPart, ...]
    total: float
    industries: tuple[ReturnPart, ...]
    unknown: tuple[str, ...]


def attribute_returns(result: BacktestResult, panel: Panel, background: Background) -> Attribution:
    """The parts of a back-test's mean return. panel : by sessions"""
    exposures = style_scores(panel, background)
    before = account_before(result)
    weights = shares_of(values_before(result), before)
    given = background.industries
    industry, names = (None, ()) if given is None else (given.member[:-1], given.names)
    moves = moves_of(panel)
    factors, groups = factor_returns(moves, ~np.isnan(panel.close[1:]), exposures, industry, len(names))
    moves = np.nan_to_num(moves, nan=0.0)
    held = (weights * moves).sum(axis=1)
    loads = np.vstack([weights.sum(axis=1), np.einsum("tn,ktn->kt", weights, exposures.values)])
    of_factors = loads * factors
    in_groups = [np.where(industry == number, weights, 0.0).sum(axis=1) for number in range(len(names))]
    of_groups = np.array(in_groups).reshape(groups.shape)
    by_group = of_groups * groups
    paid = shares_of(result.cost, before)
    years = result.sessions_per_year

    def part(name: str, values: FloatArray, exposure: float = float("nan")) -> ReturnPart:
        return ReturnPart(name, float(values.mean() * years), mean_interval(values, 1).t, exposure)

    parts = [
        part(name, values, float(load.mean()))
        for name, values, load in zip((MARKET, *exposures.names), of_factors, loads, strict=True)
    ]
    explained = of_factors.sum(axis=0) + by_group.sum(axis=0)
    if industry is not None:
        parts.append(part(INDUSTRIES, by_group.sum(axis=0)))
    withheld = shares_of(result.dividend_tax, before)
    traded = result.gross_returns + withheld - held
    parts += [part(SELECTION, held - explained), part(TRADING, traded), part(COSTS, -paid)]
    parts += [part(DIVIDEND_TAX, -withheld)] if withheld.any() else []
    each = [
        part(name, values, float(share.mean())) for name, values, share in zip(names, by_group, of_groups, strict=True)
    ]
    each.sort(key=lambda one: -abs(one.annual_return))
    return Attribution(tuple(parts), float(result.returns.mean() * years), tuple(each), exposures.unknown)


def factor_returns(
    moves: FloatArray, traded: npt.NDArray[np.bool_], exposures: StyleScores, industry: IntArray | None, groups: int
) -> tuple[FloatArray, FloatArray]:
    """Returns of the market and of K styles f64[1 + K, S], and of industries f64[G, S], 0 without any.

    moves : f64[S, N]; traded : whether a symbol has a bar in the session; industry : i64[S, N], -1 where unknown.
    An industry's return is what it had beyond the market: weighted by its number of symbols they add up to 0.
    """
    K, S = exposures.values.shape[:2]
    factors, of_groups = np.zeros((1 + K, S)), np.zeros((groups, S))
    for t in range(S):
        usable = traded[t] & ~np.isnan(moves[t])
        if usable.sum() <= 1 + K:
            continue
        columns = [np.ones(int(usable.sum())), *exposures.values[:, t, usable]]
        present: list[int] = []
        if industry is not None:
            dummies, present = contrasts(industry[t, usable])
            columns += dummies
        X = np.column_stack(columns)
        found = np.linalg.lstsq(X.T @ X, X.T @ moves[t, usable], rcond=None)[0]
        factors[:, t] = found[: 1 + K]
        if len(present) > 1 and industry is not None:
            of_groups[present, t] = completed(found[1 + K :], industry[t, usable], present)
    return factors, of_groups


def contrasts(industry: IntArray) -> tuple[list[FloatArray], list[int]]:
    """A column for each industry present but the last, against the last: their weighted sum is held at 0."""
    present = [int(number) for number in np.unique(industry) if number >= 0]
    if len(present) < 2:
        return [], present
    last = (industry == present[-1]).astype(np.float64)
    columns = []
    for number in present[:-1]:
        mine = (industry == number).astype(np.float64)
        columns.append(mine - last * mine.sum() / last.sum())
    return columns, present


def completed(found: FloatArray, industry: IntArray, present: list[int]) -> FloatArray:
    """The returns of all industries present, from those of all but the last."""
    counts = np.array([(industry == number).sum() for number in present], dtype=np.float64)
    return np.append(found, -(found @ counts[:-1]) / counts[-1])


@dataclass(frozen=True, slots=True)
class Background:
    """What is known of a panel's symbols besides the panel.

    close, amount : float64[H + 1 + S, N], of the panel's sessions and of up to HISTORY before them; NaN without a bar
    industries : of the symbols in each session of the panel; None where none are given
    """

    close: FloatArray
    amount: FloatArray
    industries: SymbolGroups | None = None


@dataclass(frozen=True, slots=True)
class StyleScores:
    """names : K styles; values : f64[K, S, N], standard scores at the close before each session, 0 where unknown."""

    names: tuple[str, ...]
    values: FloatArray
    unknown: tuple[str, ...]
    """Styles that no symbol has enough bars for in any session."""


def style_scores(panel: Panel, background: Background) -> StyleScores:
    """The exposures of a panel's symbols; standard scores among those that have the figure in the session.

    panel : by sessions
    """
    styles = style_exposures(background.close, background.amount, tuple(NAMES))
    first = len(background.close) - len(panel.close)
    known = {NAMES[name]: values[first:-1] for name, values in styles.items()}  # the sessions just before those traded
    usable = {name: values for name, values in known.items() if np.isfinite(values).any()}
    shape = (len(usable), *panel.close[1:].shape)
    scores = np.array([bounded_scores(values) for values in usable.values()]).reshape(shape)
    return StyleScores(tuple(usable), scores, tuple(name for name in known if name not in usable))


def bounded_scores(values: FloatArray) -> FloatArray:
    """f64[S, N]: standard scores of each session, within FARTHEST; 0 where unknown or alike."""
    return np.clip(np.nan_to_num(standard_scores(values)), -FARTHEST, FARTHEST)


def read_background(market: Market, panel: Panel) -> Background:
    """The bars of a panel by sessions and of those before; industries where they were ingested."""
    known = market.sessions()
    first = known.index(panel.dates[0])
    sessions = [*known[max(first - HISTORY, 0) : first], *panel.dates]
    bars = market.select_bars(panel.symbols, sessions[0], sessions[-1])
    close, amount = daily_matrices(bars, sessions, panel.symbols)
    return Background(close, amount, panel.groups or read_industries(market, panel))


def read_industries(market: Market, panel: Panel) -> SymbolGroups | None:
    """The industries of a panel's symbols; None where none of them has one."""
    spans = market.intervals("industry").drop_nulls("value")
    found = SymbolGroups(*interval_groups(spans, panel.dates, panel.symbols))
    return found if found.names else None
