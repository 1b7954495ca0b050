from __future__ import annotations

import numpy as np
import pytest
from validity import cases
from validity.cases import run, walks

from kronos_quant.backtest.panel import SymbolGroups
from kronos_quant.validity.attribution import (
    Background,
    StyleScores,
    attribute_returns,
    completed,
    contrasts,
    factor_returns,
)

SHORT = {"strategy": "long_short_quantile", "quantile": 0.25, "every": 3}


def background(panel, seed: int = 9, industries: int = 0) -> Background:
    if not industries:
        return cases.background(panel, seed)
    member = np.random.default_rng(seed).integers(-1, industries, len(panel.symbols))
    groups = SymbolGroups(tuple(f"G{i}" for i in range(industries)), np.tile(member, (len(panel.dates), 1)))
    return cases.background(panel, seed, groups)


@pytest.mark.parametrize("fields", [{}, SHORT, {"strategy": "buy_and_hold"}])
@pytest.mark.parametrize("industries", [0, 4])
def test_the_parts_add_up_to_the_return(fields, industries):
    panel = walks(120, 40, seed=1)
    _, _, result = run(panel, **fields)
    found = attribute_returns(result, panel, background(panel, industries=industries))
    assert sum(part.annual_return for part in found.parts) == pytest.approx(found.total, abs=1e-12)
    assert found.total == pytest.approx(result.returns.mean() * 252)
    names = [part.name for part in found.parts]
    assert names[:4] == ["market", "size (traded value)", "momentum", "volatility"]
    assert names[-3:] == ["selection", "execution (fill to close)", "costs"]
    assert ("industries" in names) == bool(industries)
    assert len(found.industries) == industries
    if industries:
        [whole] = [part.annual_return for part in found.parts if part.name == "industries"]
        assert sum(part.annual_return for part in found.industries) == pytest.approx(whole, abs=1e-12)


def test_costs_and_a_long_portfolios_share_are_what_they_were():
    panel = walks(100, 30, seed=2)
    _, _, result = run(panel)
    parts = {part.name: part for part in attribute_returns(result, panel, background(panel)).parts}
    before = np.concatenate([[1e6], result.account[:-1]])
    assert parts["costs"].annual_return == pytest.approx(-(result.cost / before).mean() * 252)
    assert parts["costs"].t < -10
    assert parts["market"].exposure == pytest.approx(0.95, abs=0.06)


def test_an_edge_of_the_scores_is_selection():
    panel = walks(250, 60, seed=3, edge=0.4)
    _, _, result = run(panel, n_drop=4, hold_thresh=0, costs={"buy": 0.0, "sell": 0.0, "minimum": 0})
    found = attribute_returns(result, panel, background(panel))
    parts = {part.name: part for part in found.parts}
    beyond = parts["selection"].annual_return + parts["execution (fill to close)"].annual_return
    assert beyond > 0.7 * found.total > 0
    assert max(parts["selection"].t, parts["execution (fill to close)"].t) > 5
    assert abs(parts["momentum"].annual_return) < 0.1 * beyond


def planted(T: int = 6, N: int = 40) -> tuple[np.ndarray, StyleScores, np.ndarray]:
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(2, T, N))
    industry = np.tile(rng.integers(0, 3, N), (T, 1))
    return rng.normal(0, 0.01, T), StyleScores(("a", "b"), scores, ()), industry


def test_planted_factor_returns_are_found_exactly():
    market, exposures, industry = planted()
    moves = market[:, None] + 0.02 * exposures.values[0] - 0.01 * exposures.values[1]
    factors, groups = factor_returns(moves, np.ones(moves.shape, dtype=bool), exposures, None, 0)
    np.testing.assert_allclose(factors, [market, np.full(6, 0.02), np.full(6, -0.01)], atol=1e-12)
    assert groups.shape == (0, 6)
    of_industry = np.array([0.03, -0.01, 0.0])
    counts = np.bincount(industry[0])
    of_industry -= (of_industry * counts).sum() / counts.sum()  # beyond the market: weighted, they add up to 0
    factors, groups = factor_returns(
        moves + of_industry[industry], np.ones(moves.shape, dtype=bool), exposures, industry, 3
    )  # fmt: skip
    np.testing.assert_allclose(factors[0], market, atol=1e-12)
    np.testing.assert_allclose(groups, np.tile(of_industry, (6, 1)).T, atol=1e-12)


def test_symbols_without_a_bar_have_no_say():
    market, exposures, _ = planted()
    moves = market[:, None] + 0.02 * exposures.values[0]
    traded = np.ones(moves.shape, dtype=bool)
    moves[:, 3], moves[:, 4] = 9.0, np.nan
    traded[:, 3] = False
    factors, _ = factor_returns(moves, traded, exposures, None, 0)
    np.testing.assert_allclose(factors[1], 0.02, atol=1e-12)


def test_a_session_with_too_few_symbols_has_no_factors():
    _, exposures, _ = planted()
    traded = np.zeros((6, 40), dtype=bool)
    traded[:, :3] = True
    factors, _ = factor_returns(np.ones((6, 40)), traded, exposures, None, 0)
    assert not factors.any()


def test_one_industry_is_the_market():
    assert contrasts(np.array([2, 2, -1])) == ([], [2])
    columns, present = contrasts(np.array([0, 0, 1, -1]))
    assert present == [0, 1]
    np.testing.assert_array_equal(columns[0], [1, 1, -2, 0])
    np.testing.assert_array_equal(completed(np.array([0.5]), np.array([0, 0, 1, -1]), present), [0.5, -1.0])
