from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from validity.cases import run, walks

from kronos_quant.backtest import simulate
from kronos_quant.validity.robustness import (
    TIMES,
    AccountSize,
    Capacity,
    estimate_capacity,
    metrics_without_size,
    zero_edge_account,
)

SIZED = {"impact": 1.0, "participation": 0.1}


def sizes(*edges: float) -> list[AccountSize]:
    return [AccountSize(10.0**i, edge, 0.0, edge, 0.0) for i, edge in enumerate(edges)]


def test_the_crossing_lies_between_two_sizes_on_a_logarithmic_scale():
    assert zero_edge_account(sizes(0.3, 0.2, -0.2, -0.9)) == pytest.approx(10**1.5)
    assert zero_edge_account(sizes(0.3, 0.1, -0.3)) == pytest.approx(10**1.25)


def test_a_small_account_that_loses_to_whole_lots_has_no_say():
    assert zero_edge_account(sizes(-0.1, 0.2, 0.0)) == pytest.approx(100.0)


def test_no_edge_and_an_edge_without_end():
    assert math.isnan(zero_edge_account(sizes(-0.1, 0.0)))
    assert zero_edge_account(sizes(-0.1, 0.1)) == math.inf


def test_impact_grows_with_the_account_until_it_eats_the_edge():
    panel = walks(120, 30, seed=2, edge=0.6)
    strategy, rules, _ = run(panel, n_drop=8, hold_thresh=0, costs={"minimum": 0}, liquidity={"impact": 1.0})
    found = estimate_capacity(strategy, panel, rules, None, 252)
    assert [size.account for size in found.sizes] == [1e6 * times for times in TIMES[: len(found.sizes)]]
    assert sum(size.edge <= 0 for size in found.sizes) == 1
    assert np.all(np.diff([size.annual_impact for size in found.sizes]) > 0)
    assert np.all(np.diff([size.edge for size in found.sizes]) < 0)
    edges = [size.edge for size in found.sizes]
    last = [size.account for size in found.sizes if size.edge > 0][-1]
    assert edges[0] > 0 > edges[-1]
    assert last < found.account < last * 10
    assert found.line().startswith(
        "Estimated capacity: about 57 million. Above it, market impact exceeds the edge. Model: "
    )
    assert "as in the result; edge = annual return above 0" in found.line()


def test_the_row_of_the_own_account_is_the_back_test_itself():
    panel = walks(60, 15, seed=3)
    close = np.linspace(100, 110, 60)
    for liquidity in (
        {"impact": 1.0, "participation": 0.1},
        {"impact": 0.3, "slippage": 0.001},
        {"participation": 0.02},
    ):
        strategy, rules, _ = run(panel, account=3e7, liquidity=liquidity)
        metrics = simulate(strategy, panel, rules, benchmark_close=close).metrics
        found = estimate_capacity(strategy, panel, rules, close[1:] / close[:-1] - 1, 252)
        assert found.own in found.sizes
        assert found.own == AccountSize(
            3e7, metrics["annual_return"], metrics["impact"] / metrics["cost"] * metrics["annual_cost"],
            metrics["excess_annual_return"], metrics["mean_cash"],
        )  # fmt: skip


def test_the_figures_without_impact_and_participation_are_those_of_a_run_without_them():
    panel = walks(60, 15, seed=3)
    strategy, rules, with_them = run(panel, account=3e7, liquidity={"impact": 1.0, "participation": 0.1})
    _, _, free = run(panel, account=3e7)
    found = metrics_without_size(strategy, panel, rules, None, 252)
    assert found == free.metrics
    assert found["annual_return"] != with_them.metrics["annual_return"]
    slipped = strategy.model_copy(update={"liquidity": strategy.liquidity.model_copy(update={"slippage": 0.01})})
    assert metrics_without_size(slipped, panel, rules, None, 252)["slippage"] > 0
    for other in (free.strategy, strategy.model_copy(update={"strategy": "python"})):
        assert metrics_without_size(other, panel, rules, None, 252) is None


def test_each_size_is_a_back_test_of_its_own():
    panel = walks(60, 15)
    strategy, rules, _ = run(panel, liquidity={"impact": 0.3})
    benchmark_close = np.linspace(100, 120, 60)
    found = estimate_capacity(strategy, panel, rules, benchmark_close[1:] / benchmark_close[:-1] - 1, 252)
    assert (found.impact, found.above) == (0.3, "the benchmark's")
    for size in found.sizes[::2]:
        own = strategy.model_copy(update={"account": size.account})
        metrics = simulate(own, panel, rules, benchmark_close=benchmark_close).metrics
        assert size.annual_return == pytest.approx(metrics["annual_return"], rel=1e-12)
        assert size.edge == pytest.approx(metrics["excess_annual_return"], rel=1e-12)
        assert size.annual_impact == pytest.approx(metrics["impact"] / metrics["cost"] * metrics["annual_cost"])


def test_impact_is_the_square_root_law_in_closed_form():
    # one symbol of constant volume and volatility, bought once with nearly the whole account: an order of Q shares
    # of a volume V moves the price by c x volatility x sqrt(Q / V), so that the impact's share grows as sqrt(account)
    T = 80
    close = (100 * np.cumprod(np.tile([1.01, 1 / 1.01], T // 2)))[:, None]
    panel = replace(
        walks(T, 1), open=close, high=close, low=close, close=close, volume=np.full((T, 1), 1e6),
        factor=np.ones((T, 1)), score=np.ones((T, 1)),
    )  # fmt: skip
    panel.score[:40] = np.nan  # nothing is bought before the volatility is known
    fields = {"strategy": "buy_and_hold", "topk": 1, "account": 1e6, "costs": {"buy": 0, "sell": 0, "minimum": 0}}
    strategy, rules, _ = run(panel, **fields, liquidity={"impact": 0.5})
    found = estimate_capacity(strategy, panel, rules, None, 252)
    moves = np.diff(close[:, 0]) / close[:-1, 0]
    volatility = np.std(moves[:20], ddof=1)
    price = close[41, 0]
    for size in found.sizes[:2]:
        bought = 0.95 * size.account / price
        paid = 0.5 * volatility * np.sqrt(bought / 1e6) * bought * price
        assert size.annual_impact == pytest.approx(paid / size.account * 252 / (T - 1), rel=0.02)
    impacts = [size.annual_impact for size in found.sizes[:2]]
    assert impacts[1] / impacts[0] == pytest.approx(np.sqrt(10), rel=0.02)


def test_a_few_sessions_have_no_annual_return_to_lose():
    panel = walks(20, 10)
    strategy, rules, _ = run(panel, liquidity={"impact": 1.0})
    assert estimate_capacity(strategy, panel, rules, None, 252) is None
    longer = walks(21, 10)
    strategy, rules, _ = run(longer, liquidity={"impact": 1.0})
    assert estimate_capacity(strategy, longer, rules, None, 252) is not None


def test_who_sells_short_is_held_against_0():
    panel = walks(60, 16)
    strategy, rules, _ = run(panel, strategy="long_short_quantile", quantile=0.25, every=5, liquidity={"impact": 1.0})
    found = estimate_capacity(strategy, panel, rules, np.full(59, 0.01), 252)
    assert found.above == "0"
    assert found.sizes[0].edge == found.sizes[0].annual_return


def test_what_never_had_an_edge_says_so():
    panel = walks(60, 15, seed=4)
    strategy, rules, _ = run(panel, costs={"buy": 0.05, "sell": 0.05}, liquidity={"impact": 1.0})
    line = estimate_capacity(strategy, panel, rules, None, 252).line()
    assert line.startswith("No capacity: no edge after impact even at the smallest account tested (10,000). Model: ")


def test_what_has_no_impact_has_no_capacity():
    panel = walks(30, 10)
    assert estimate_capacity(run(panel)[0], panel, run(panel)[1], None, 252) is None
    strategy, rules, _ = run(panel, liquidity={"impact": 1.0})
    for other in ({"strategy": "python"},):
        assert estimate_capacity(strategy.model_copy(update=other), panel, rules, None, 252) is None
    without = replace(panel, volume=np.full_like(panel.volume, np.nan))
    assert estimate_capacity(strategy, without, rules, None, 252) is None


def test_under_a_cap_of_participation_the_rest_of_a_large_account_stays_in_cash():
    panel = walks(120, 30, seed=2, edge=0.6)
    strategy, rules, _ = run(panel, n_drop=8, hold_thresh=0, costs={"minimum": 0}, liquidity=SIZED)
    found = estimate_capacity(strategy, panel, rules, None, 252)
    cash = [size.mean_cash for size in found.sizes]
    assert cash[-1] > 0.9 > 0.5 > cash[2] == found.own.mean_cash
    line = found.line()
    assert "market impact exceeds the edge" not in line
    assert f"Orders are capped at 0.1 of the volume: mean cash is {cash[2]:.0%} at 1 million, {cash[-1]:.0%}" in line
    uncapped = run(panel, n_drop=8, hold_thresh=0, liquidity={"impact": 1.0})[0]
    free = estimate_capacity(uncapped, panel, rules, None, 252)
    assert free.participation is None
    assert "capped" not in free.line()


def test_an_account_above_its_capacity_is_the_verdict():
    own = AccountSize(1e6, 0.02, 0.3, -0.01, 0.05)
    smaller = AccountSize(1e5, 0.2, 0.1, 0.17, 0.05)
    found = Capacity(2.8e5, (smaller, own), 1.0, "the benchmark's", None, own)
    assert found.exceeded
    assert found.verdict() == (
        "FAIL: significant, but at this account (1 million) the edge (annual return above the benchmark's) "
        "is -1.0% per year. Estimated capacity: about 280,000."
    )
    assert replace(found, account=math.nan).verdict().endswith("Estimated capacity: none.")
    assert not replace(found, own=smaller).exceeded
