"""Optimised weights: against scipy on random problems, against equal weights, and at what cannot be kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from backtest.markets import panel_of, sizeless
from pydantic import ValidationError
from scipy.optimize import linprog, minimize

from kronos_quant.backtest import Strategy, simulate
from kronos_quant.backtest.groups import index_rows
from kronos_quant.backtest.panel import SymbolGroups
from kronos_quant.backtest.settings import Optimise
from kronos_quant.backtest.strategies.optimise import Problem, shrunk_moves, solve

FREE_OF_COST = {"buy": 0, "sell": 0, "minimum": 0}
N = 8


def random_problem(seed: int) -> tuple[Problem, Optimise, float]:
    rng = np.random.default_rng(seed)
    moves, shrunk = shrunk_moves(0.02 * rng.standard_normal((60, N)) @ (np.eye(N) + 0.3), "ledoit_wolf")
    index = rng.dirichlet(np.ones(N)) if seed % 2 else np.zeros(N)
    now = rng.dirichlet(np.ones(N))
    free = np.arange(N) != seed % N
    problem = Problem(
        gain=0.01 * rng.standard_normal(N),
        free=free,
        now=now,
        kept=now,
        index=index,
        moves=moves,
        shrunk=shrunk,
        sessions=5,
        per_year=243,
        industry=np.arange(N) % 3,
        styles=rng.standard_normal((2, N)),
        begun=True,
    )
    bounds = {"max_turnover": 0.8, "max_industry": 0.9, "max_style": 1.5} if seed % 3 else {}
    if seed % 2:
        bounds |= {"benchmark": "x", "tracking_error": 0.15, "max_active": 0.4}
    return problem, Optimise(risk_aversion=float(rng.choice([0.0, 5.0, 30.0])), cost=0.002, **bounds), 0.5


def by_scipy(problem: Problem, settings: Optimise, cap: float):
    """The same problem in x and u >= |x - now|, with the covariance in full: its end, its parts."""
    sigma = problem.moves.T @ problem.moves + problem.shrunk * np.eye(N)
    risk = settings.risk_aversion * problem.sessions

    def loss(z: np.ndarray) -> float:
        active = z[:N] - problem.index
        return -(problem.gain @ z[:N] - risk / 2 * active @ sigma @ active - settings.cost * z[N:].sum())

    def slope(z: np.ndarray) -> np.ndarray:
        return np.concatenate([risk * sigma @ (z[:N] - problem.index) - problem.gain, np.full(N, settings.cost)])

    eye, none = np.eye(N), np.zeros((1, N))
    rows, most = [np.hstack([eye, -eye]), np.hstack([-eye, -eye])], [problem.now, -problem.now]
    for matrix, bound in (
        (np.array([problem.industry == g for g in range(3)], float), settings.max_industry),
        (problem.styles, settings.max_style),
        (eye[problem.free], settings.max_active),
    ):
        if bound is not None:
            wide = np.hstack([matrix, np.zeros_like(matrix)])
            rows += [wide, -wide]
            most += [bound + matrix @ problem.index, bound - matrix @ problem.index]
    if settings.max_turnover is not None:
        rows, most = [*rows, np.hstack([none, np.ones((1, N))])], [*most, np.array([settings.max_turnover])]
    A, b = np.vstack(rows), np.concatenate(most)
    limits = [(0, cap) if free else (kept, kept) for free, kept in zip(problem.free, problem.kept, strict=True)]
    limits += [(0, 2)] * N
    constraints = [
        {"type": "ineq", "fun": lambda z: b - A @ z, "jac": lambda z: -A},
        {"type": "eq", "fun": lambda z: z[:N].sum() - 1, "jac": lambda z: np.concatenate([np.ones(N), np.zeros(N)])},
    ]
    if settings.tracking_error is not None:
        most_variance = settings.tracking_error**2 / problem.per_year
        active = lambda z: z[:N] - problem.index  # noqa: E731
        constraints.append({"type": "ineq", "fun": lambda z: 1e3 * (most_variance - active(z) @ sigma @ active(z))})
    start = np.concatenate([problem.now, np.full(N, 0.1)])
    done = minimize(
        loss, start, jac=slope, bounds=limits, constraints=constraints, options={"ftol": 1e-14, "maxiter": 2000}
    )
    return done, loss, slope, A, b, limits, sigma


@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_that_of_another_solver_and_no_direction_improves_it(seed):
    problem, settings, cap = random_problem(seed)
    found = solve(problem, settings, cap)
    done, loss, slope, A, b, limits, sigma = by_scipy(problem, settings, cap)
    if found.dropped:
        assert done.status != 0  # nothing fulfils all bounds
        return
    x = found.weights
    assert max(problem.excesses(x, settings, cap).values()) < 1e-6
    assert x.sum() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(x[~problem.free], problem.now[~problem.free])
    z = np.concatenate([x, np.abs(x - problem.now)])
    assert loss(z) <= -problem.objective(x, settings) + 1e-12
    assert done.status == 0
    assert loss(z) == pytest.approx(done.fun, abs=1e-6)
    # first-order optimality: of a convex problem, the best step of its linear one bounds what is missing
    if settings.tracking_error is not None:
        active = x - problem.index
        if active @ sigma @ active * problem.per_year > (settings.tracking_error * (1 - 1e-4)) ** 2:
            gradient = np.concatenate([2 * sigma @ active, np.zeros(N)])
            A, b = np.vstack([A, gradient]), np.append(b, gradient @ z)
    whole = np.concatenate([np.ones(N), np.zeros(N)])[None, :]
    best = linprog(slope(z), A_ub=A, b_ub=b + 1e-9, A_eq=whole, b_eq=[1.0], bounds=limits)
    assert best.status == 0
    assert slope(z) @ z - best.fun < 1e-6


def market(T: int = 90, count: int = 12, seed: int = 0):
    rng = np.random.default_rng(seed)
    close = 20 * np.exp(np.cumsum(0.02 * rng.standard_normal((T, count)), axis=0))
    return panel_of(0.01 * rng.standard_normal((T, count)), close)


def strategy(**fields) -> Strategy:
    plain = {"strategy": "topk_rebalance", "topk": 4, "every": 10, "account": 1e7, "lot": 100, "price_limit": "none"}
    chosen = plain | {"weighting": "optimise", "costs": FREE_OF_COST} | fields
    return sizeless(chosen)


def test_without_risk_and_costs_it_is_the_equally_weighted_top_k():
    plain = simulate(strategy(optimise={"risk_aversion": 0, "cost": 0, "max_turnover": 4}), market())
    equal = simulate(strategy(weighting="equal"), market())
    assert not equal.fills.is_empty()
    assert plain.fills.equals(equal.fills)


def test_a_small_tracking_error_is_the_index_and_lots_that_pass_it_are_reported():
    panel = market()
    weights = np.random.default_rng(1).dirichlet(np.ones(12), 90).cumsum(axis=0)[[40] * 90]
    weights /= weights.sum(axis=1, keepdims=True)
    panel = replace(panel, index=weights)
    settings = {"benchmark": "x", "tracking_error": 0.0005, "max_weight": 1, "sessions": 30}
    late = replace(panel, score=np.where(np.arange(90)[:, None] < 40, np.nan, panel.score))
    found = simulate(strategy(account=1e9, lot=0, optimise=settings), late)
    held = found.positions.filter(pl.col("date") == found.positions["date"].min()).sort("symbol")
    shares = held["value"].to_numpy() / held["value"].sum()
    np.testing.assert_allclose(shares, weights[0], atol=0.003)
    coarse = simulate(strategy(account=2e5, optimise=settings), late)
    assert any("in whole lots the portfolio passes its bounds: tracking_error" in note for note in coarse.notes)


def test_industries_are_bounded_and_bounds_that_nothing_keeps_are_left_out_and_named():
    panel = replace(market(), groups=SymbolGroups(("a", "b"), np.tile(np.arange(12) // 6, (90, 1))))
    kept = simulate(strategy(optimise={"risk_aversion": 0, "max_industry": 0.5}), panel)
    by_group = kept.positions.filter(pl.col("date") == kept.positions["date"].min()).with_columns(
        group=pl.col("symbol") < "S06"
    )
    sums = by_group.group_by("group").agg(pl.col("value").sum())["value"].to_list()
    assert sums == pytest.approx([0.5 * 0.95 * 1e7] * 2, rel=0.03)
    broken = simulate(strategy(optimise={"risk_aversion": 0, "max_industry": 0.2}), panel)
    assert any(note.endswith("left out: max_industry 9.") for note in broken.notes)


def test_a_suspended_holding_is_kept_and_one_without_a_score_is_sold():
    panel = market()
    best = int(np.argmax(panel.score[10]))
    close, score = panel.close.copy(), panel.score.copy()
    close[15:35, best] = np.nan
    second = int(np.argsort(-panel.score[10])[1])
    score[20:, second] = np.nan
    quiet = replace(panel, close=close, open=close.copy(), high=close.copy(), low=close.copy(), score=score)
    found = simulate(strategy(optimise={"risk_aversion": 0}), quiet)
    names = quiet.symbols[best], quiet.symbols[second]
    inside = found.orders.filter(pl.col("date").is_between(quiet.dates[15], quiet.dates[34]))
    assert not (inside["symbol"] == names[0]).any()
    assert inside.filter(pl.col("symbol") == names[1])["side"].to_list() == ["sell"]


def test_styles_and_turnover_are_bounded():
    panel = market(T=200, count=30, seed=3)
    score = np.where(np.arange(200)[:, None] < 130, np.nan, panel.score)
    tight = {"max_style": 0.05, "max_turnover": 0.3, "sessions": 60, "max_weight": 0.3}
    found = simulate(strategy(topk=10, optimise=tight), replace(panel, score=score))
    assert not any("left out" in note for note in found.notes)
    late = found.turnover[np.array(found.dates) > panel.dates[135]]
    assert 0 < late.max() <= 0.31 * 0.95


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weighting": "equal", "optimise": {"cost": 0}}, "the section optimise needs"),
        ({"optimise": {"tracking_error": 0.05}}, "tracking_error needs benchmark"),
        ({"optimise": {"max_active": 0.05}}, "max_active needs benchmark"),
    ],
)
def test_settings_that_mean_nothing_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        strategy(**fields)


def test_weights_outside_of_the_symbols_count_as_outside():
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(3)]
    rows = [("A", days[0], days[1], "0.3"), ("B", days[0], days[1], "0.1"), ("C", days[0], days[1], "0.6")]
    intervals = pl.DataFrame(rows, schema=["symbol", "start", "end", "value"], orient="row")
    weights, outside = index_rows(intervals, days, ["A", "B"])
    np.testing.assert_allclose(weights, [[0.75, 0.25]] * 2 + [[0, 0]])
    np.testing.assert_allclose(outside, [0.6, 0.6, 0])
