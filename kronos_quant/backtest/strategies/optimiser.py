"""The strategy that poses an optimiser's problem at each rebalancing, from what is known then.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols, K styles.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.strategies.optimise import Problem, shrunk_moves, solve
from kronos_quant.backtest.strategies.protocol import View
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import counted
from kronos_quant.panel.factors import style_exposures
from kronos_quant.panel.matrix import standard_scores

VISIBLE = 1e-3
"""By how much whole lots may pass a bound before a report says it, fraction of the portfolio."""
FEWEST_MOVES = 20
"""Returns below which a symbol's risk is unknown."""
LOT_SLACK = 1e-6
"""Of a share: a product of floats may fall short of a whole number."""


class PortfolioOptimiser:
    """The strategy: poses a `Problem` at each rebalancing, and remembers which bounds could not be kept.

    Parameters
    ----------
    strategy, panel
        What is traded, and its industries and index.
    lots, steps
        int64[N], of each symbol, raw shares.
    per_year
        Sessions in a year.

    >>> PortfolioOptimiser(strategy, panel, rules.lot, rules.step, 243)(view)  # doctest: +SKIP
    {'SH600000': 0.02, 'SH600009': 0.0131}
    """

    def __init__(self, strategy: Strategy, panel: Panel, lots: IntArray, steps: IntArray, per_year: int) -> None:
        self._strategy, self._settings, self._panel = strategy, strategy.optimise, panel
        self._lots, self._steps, self._per_year = lots, steps, per_year
        self._cap = strategy.optimise.max_weight or 1.0 / strategy.topk
        moments = panel.times or panel.dates
        self._row = {moment: row for row, moment in enumerate(moments)}
        self._styles = style_rows(panel) if self._settings.max_style is not None else None
        self._rebalanced = 0
        self._dropped: Counter[str] = Counter()
        self._passed: dict[str, list[float]] = {}
        self._young = 0

    def __call__(self, view: View) -> dict[str, float] | None:
        """The weights of a rebalancing; None between two."""
        if view.number % self._strategy.every or np.isnan(view.scores).all():
            return None
        problem = self._problem(view)
        solution = solve(problem, self._settings, self._cap)
        self._rebalanced += 1
        self._dropped.update(solution.dropped)
        for name, excess in problem.excesses(self._in_lots(view, solution.weights), self._settings, self._cap).items():
            if name not in solution.dropped and excess > VISIBLE:
                self._passed.setdefault(name, []).append(excess)
        wanted = solution.weights * self._strategy.target_exposure
        return {view.symbols[n]: float(wanted[n]) for n in np.flatnonzero(wanted)}

    def remarks(self) -> tuple[str, ...]:
        """Sentences on the bounds that were left out, or that whole lots pass."""
        found = []
        if self._dropped:
            names = ", ".join(f"{name} {count:,}" for name, count in self._dropped.most_common())
            found.append(
                f"weighting: optimise: no portfolio kept all bounds in some of {self._rebalanced:,} rebalancings; left "
                f"out: {names}."
            )
        if self._passed:
            names = ", ".join(
                f"{name} {len(excesses):,} times (at most by {max(excesses):.3g})"
                for name, excesses in self._passed.items()
            )
            found.append(f"weighting: optimise: in whole lots the portfolio passes its bounds: {names}.")
        if self._young:
            found.append(
                f"weighting: optimise: {counted(self._young, 'score')} not used, of symbols with fewer than "
                f"{FEWEST_MOVES} returns, whose risk is unknown."
            )
        return tuple(found)

    def _problem(self, view: View) -> Problem:
        settings, strategy, row = self._settings, self._strategy, self._row[view.moment]
        close = view.bars("close", settings.sessions + 1)
        returns = close[1:] / close[:-1] - 1
        known = (~np.isnan(returns)).sum(axis=0) >= FEWEST_MOVES
        needs_risk = settings.risk_aversion > 0 or settings.tracking_error is not None
        scored = ~np.isnan(view.scores)
        if needs_risk or settings.information_coefficient is not None:
            self._young += int((scored & ~known).sum())
            scored &= known
        trades = ~np.isnan(close[-1])
        invested = view.account * strategy.target_exposure
        now = np.nan_to_num(view.shares * view.prices) / invested if invested > 0 else np.zeros(len(view.symbols))
        index = np.zeros(len(now)) if self._panel.index is None else self._panel.index[row]
        moves, shrunk = shrunk_moves(returns, settings.covariance)
        gain = np.where(scored, view.scores, 0.0)
        if settings.information_coefficient is not None:
            spread = np.sqrt((moves**2).sum(axis=0) + shrunk) * np.sqrt(strategy.every)
            standard = np.nan_to_num(standard_scores(np.where(scored, view.scores, np.nan)[None, :])[0])
            gain = settings.information_coefficient * spread * standard
        styles = np.empty((0, len(now))) if self._styles is None else self._styles[:, row]
        groups = self._panel.groups
        industry = np.full(len(now), -1, dtype=np.int64) if groups is None else groups.member[row]
        return Problem(
            gain=gain,
            free=scored & trades,
            now=now,
            kept=np.where(trades & (now != 0), 0.0, now),
            index=index,
            moves=moves,
            shrunk=shrunk,
            sessions=strategy.every,
            per_year=self._per_year,
            industry=industry,
            styles=styles,
            begun=bool((now > 0).any()),
        )

    def _in_lots(self, view: View, weights: FloatArray) -> FloatArray:
        """The weights that whole lots give at the last closes, rounded down."""
        invested = view.account * self._strategy.target_exposure
        usable = (view.prices > 0) & (weights > 0) & (self._lots > 0)
        shares = np.floor(np.where(usable, weights * invested / np.where(usable, view.prices, 1.0), 0.0) + LOT_SLACK)
        steps = np.maximum(self._steps, 1)
        whole = self._lots + (shares - self._lots) // steps * steps
        held = np.where(shares >= self._lots, whole, 0.0)
        return np.where(usable, held * view.prices / invested, weights)


def style_rows(panel: Panel) -> FloatArray:
    """f64[K, T, N]: momentum, volatility and size in standard deviations across symbols, 0 where unknown."""
    close, volume = panel.with_past("close"), panel.with_past("volume")
    found = style_exposures(close, close * volume)
    T = len(panel.dates)
    return np.array([np.nan_to_num(standard_scores(values[-T:])) for values in found.values()])
