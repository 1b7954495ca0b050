"""Weights by optimisation: the problem of one rebalancing, and its solution by cvxpy.

The covariance is never formed: returns X f64[S, N], centred and scaled, and a diagonal give the variance of a portfolio
a as |X a|^2 + d |a|^2, which a solver takes for thousands of symbols. Shape letters: S sessions, N symbols, G
industries, K styles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.backtest.settings import Optimise
from kronos_quant.errors import KronosQuantError

DUST = 1e-7
"""Weights below this are what a solver leaves of nothing."""
DROPPED = ("max_turnover", "max_style", "max_industry", "tracking_error", "max_active", "max_weight")
"""The order in which bounds are left out where nothing fulfils all of them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One rebalancing. Weights are fractions of the portfolio.

    gain : f64[N], return expected until the next rebalancing; free : b1[N], what may be bought and sold
    now : f64[N], the weights at present; kept : f64[N], those of what is not free; index : f64[N], 0 without one
    moves : f64[S, N] and shrunk : such that |moves a|^2 + shrunk |a|^2 is the variance of a session
    sessions, per_year : until the next rebalancing, and in a year
    industry : i64[N], -1 without; styles : f64[K, N]; begun : whether anything is held, so that turnover is bounded
    """

    gain: FloatArray
    free: BoolArray
    now: FloatArray
    kept: FloatArray
    index: FloatArray
    moves: FloatArray
    shrunk: float
    sessions: int
    per_year: int
    industry: IntArray
    styles: FloatArray
    begun: bool

    def variance(self, weights: FloatArray) -> float:
        """Of a session, of the weights less the index."""
        active = weights - self.index
        return float(((self.moves @ active) ** 2).sum() + self.shrunk * (active**2).sum())

    def objective(self, weights: FloatArray, settings: Optimise) -> float:
        """What is maximised."""
        risk = settings.risk_aversion / 2 * self.sessions * self.variance(weights)
        return float(self.gain @ weights - risk - settings.cost * np.abs(weights - self.now).sum())

    def excesses(self, weights: FloatArray, settings: Optimise, cap: float) -> dict[str, float]:
        """By how much weights pass each bound that is set, 0 where they do not."""
        active, held = weights - self.index, self.free & (weights > 0)
        found = {"max_weight": float((weights[held] - cap).max(initial=0.0))}
        if settings.max_active is not None:
            found["max_active"] = float((np.abs(active[self.free]) - settings.max_active).max(initial=0.0))
        if settings.tracking_error is not None:
            found["tracking_error"] = np.sqrt(self.variance(weights) * self.per_year) - settings.tracking_error
        if settings.max_industry is not None:
            of_each = np.array([active[self.industry == number].sum() for number in self.industries])
            found["max_industry"] = float((np.abs(of_each) - settings.max_industry).max(initial=0.0))
        if settings.max_style is not None:
            found["max_style"] = float((np.abs(self.styles @ active) - settings.max_style).max(initial=0.0))
        if settings.max_turnover is not None and self.begun:
            found["max_turnover"] = float(np.abs(weights - self.now).sum() - settings.max_turnover)
        return {name: max(float(excess), 0.0) for name, excess in found.items()}

    @property
    def industries(self) -> IntArray:
        """Numbers of the industries that there are."""
        return np.unique(self.industry[self.industry >= 0])


@dataclass(frozen=True, slots=True)
class Solution:
    """weights : f64[N]; dropped : the bounds that were left out, in order."""

    weights: FloatArray
    dropped: tuple[str, ...]


def solve(problem: Problem, settings: Optimise, cap: float) -> Solution:
    """The weights that maximise the objective within the bounds.

    Parameters
    ----------
    problem, settings
        What is known, and what is wanted.
    cap
        Maximum weight of one symbol.

    Raises
    ------
    KronosQuantError
        Where the solver fails although all bounds are left out.
    """
    dropped: tuple[str, ...] = ()
    for name in ("", *DROPPED):
        if name:
            if getattr(settings, name) is None and name != "max_weight":
                continue
            dropped = (*dropped, name)
        weights = _solved(problem, settings, cap, dropped)
        if weights is not None:
            return Solution(weights, dropped)
    raise KronosQuantError("weighting: optimise: the solver found no portfolio", hint="Use another `weighting`.")


def _solved(problem: Problem, settings: Optimise, cap: float, dropped: Sequence[str]) -> FloatArray | None:
    """The weights, None where nothing fulfils the bounds that are left."""
    cp = _cvxpy()
    places = np.flatnonzero(problem.free)
    fixed = np.where(problem.free, 0.0, problem.kept)
    room = 1.0 - fixed.sum()
    if len(places) == 0 or room <= 0:
        return fixed
    x = cp.Variable(len(places), nonneg=True)
    # of what is not free, only the constant part enters
    active = cp.Constant(fixed - problem.index) + _spread(places, len(problem.gain)) @ x
    rest = float(np.abs(problem.kept - problem.now)[~problem.free].sum())
    traded = cp.norm1(x - problem.now[places]) + rest
    goal = problem.gain[places] @ x - settings.cost * traded
    deviation = cp.hstack([problem.moves @ active, np.sqrt(problem.shrunk) * active])
    if settings.risk_aversion > 0:
        goal = goal - settings.risk_aversion / 2 * problem.sessions * cp.sum_squares(deviation)
    bounds = _bounds(problem, settings, dropped, active, deviation, traded, places)
    most = 1.0 if "max_weight" in dropped else cap
    # fewer symbols than 1 / cap cannot fill the portfolio
    bounds += [cp.sum(x) == min(room, most * len(places)), x <= most]
    # solvers end by absolute differences
    scale = max(float(np.abs(problem.gain).max(initial=0.0)), settings.cost, DUST)
    asked = cp.Problem(cp.Maximize(goal / scale), bounds)
    try:
        asked.solve(solver=cp.CLARABEL)
    except cp.SolverError:
        return None
    if x.value is None or asked.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        return None
    # interior solutions lie a little beside their bounds
    found = np.where(x.value > most - DUST, most, x.value)
    fixed[places] = np.where(found < DUST, 0.0, found)
    return fixed


def _bounds(
    problem: Problem, settings: Optimise, dropped: Sequence[str],
    active: Any, deviation: Any, traded: Any, places: IntArray,
) -> list[Any]:  # fmt: skip
    """The constraints beside the single weights' own."""
    cp = _cvxpy()
    left = settings.model_copy(update=dict.fromkeys(dropped))
    bounds: list[Any] = []
    if left.max_active is not None:
        bounds.append(cp.abs(active[places]) <= left.max_active)
    if left.tracking_error is not None:
        bounds.append(cp.norm(deviation) <= left.tracking_error / np.sqrt(problem.per_year))
    if left.max_industry is not None and len(problem.industries):
        member = np.array([problem.industry == number for number in problem.industries], dtype=np.float64)
        bounds.append(cp.abs(member @ active) <= left.max_industry)
    if left.max_style is not None and len(problem.styles):
        bounds.append(cp.abs(problem.styles @ active) <= left.max_style)
    if left.max_turnover is not None and problem.begun:
        bounds.append(traded <= left.max_turnover)
    return bounds


def _cvxpy() -> Any:
    import cvxpy  # half a second

    return cvxpy


def _spread(places: IntArray, count: int) -> Any:
    """Sparse f64[count, len(places)]: puts what is chosen back to its place."""
    from scipy.sparse import csr_array

    ones = np.ones(len(places))
    return csr_array((ones, (places, np.arange(len(places)))), shape=(count, len(places)))


def shrunk_moves(returns: FloatArray, estimator: str) -> tuple[FloatArray, float]:
    """Returns f64[S, N] as `Problem` takes them: moves and shrunk.

    A session without a return counts as one at the symbol's mean. estimator : of `optimise.covariance`
    """
    from sklearn.covariance import ledoit_wolf_shrinkage, oas

    known = ~np.isnan(returns)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, returns - np.where(known, returns, 0.0).sum(axis=0) / count, 0.0)
    S = max(len(centred), 1)
    mean = float((centred**2).sum() / S / max(centred.shape[1], 1))
    part = 0.0
    if estimator == "ledoit_wolf" and mean > 0:
        part = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    elif estimator == "oas" and mean > 0:
        part = float(oas(centred, assume_centered=True)[1])
    return centred * np.sqrt((1.0 - part) / S), part * mean
