from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import panel_of, sizeless
from backtest.test_properties import SEEDS, case, run

from kronos_quant.backtest import codes, rules_of, simulate, vectorbt_check
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.qlib.market import derived_facts
from kronos_quant.backtest.vectorbt_check import (
    compile_portfolio,
    places_of,
    replay_of,
    start_compiling,
    vectorbt_account,
    vectorbt_portfolio,
    without_notebooks,
)
from kronos_quant.errors import DataError

NAN = float("nan")


@pytest.fixture
def started(monkeypatch):
    """The commands of processes that would have been started."""
    commands = []
    monkeypatch.setattr(vectorbt_check, "start_python", lambda code, **_: commands.append(code))
    return commands


def test_the_first_run_of_a_machine_says_that_it_compiles_and_compiles_vectorbt_beside(
    monkeypatch, tmp_path, caplog, started
):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    with caplog.at_level(logging.INFO):
        start_compiling()
    assert "first back-test on this machine" in caplog.text
    [code] = started
    compile(code, "code", "exec")
    assert "compile_portfolio()" in code


def test_a_machine_that_has_compiled_says_and_starts_nothing(monkeypatch, tmp_path, caplog, started):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "nb.simulate_from_orders_nb-1353.py311.nbi").touch()
    with caplog.at_level(logging.INFO):
        assert start_compiling() is None
    assert (caplog.text, started) == ("", [])


def test_what_is_compiled_beforehand_is_what_a_back_test_needs():
    compile_portfolio()
    from vectorbt.portfolio import nb

    before = len(nb.simulate_from_orders_nb.signatures)
    strategy, panel, rules = case(4)
    ledger = run(4, strategy, panel, rules)
    assert len(ledger.fills)
    vectorbt_account(ledger)
    assert len(nb.simulate_from_orders_nb.signatures) == before


@pytest.mark.parametrize("seed", SEEDS)
def test_every_account_is_vectorbts_too(seed):
    strategy, panel, rules = case(seed)
    ledger = run(seed, strategy, panel, rules)
    np.testing.assert_allclose(vectorbt_account(ledger), ledger.account, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_symbol_has_two_fills_in_a_bar(seed):
    """vectorbt takes one order a cell: a second one would overwrite the first."""
    strategy, panel, rules = case(seed)
    ledger = run(seed, strategy, panel, rules)
    assert np.isfinite(replay_of(ledger).size).sum() == len(ledger.fills)


def qlib_run(close, account, **fields):
    """One symbol, bought in the first session and sold in the second, in single shares."""
    panel = panel_of([[1], [NAN], [NAN]], close)
    chosen = {"profile": "qlib", "topk": 1, "n_drop": 0, "hold_thresh": 1, "lot": 1, "price_limit": "none"}
    strategy = sizeless(chosen | {"account": account} | fields)
    facts = replace(derived_facts(panel), unit=1)
    scored = replace(panel, score=np.array([[1.0], [1.0], [NAN]]))
    return simulate(strategy, scored, qlib=facts)


def test_a_sale_that_costs_more_than_it_brings_is_made_by_qlib_and_by_the_witness():
    result = qlib_run([[3.0], [3.0], [0.5]], 12.0, costs={"buy": 0.0, "sell": 0.0, "min_cost": 2})
    # 0.95 x 12 buys 3 at 3.00 for 2.00: 1.00 is left; sold at 0.50 they bring 1.50 and cost 2.00
    assert result.fills.select("side", "shares", "price", "cost").rows() == [("buy", 3, 3, 2), ("sell", 3, 0.5, 2)]
    np.testing.assert_allclose(result.cash, [1.0, 0.5])
    np.testing.assert_allclose(result.account, [1.0 + 9.0, 0.5])


def test_cash_that_qlibs_rounding_overdraws_is_the_witness_s_too():
    # 100 buys 9.95 shares at 10.05; Qlib rounds 9.9502 + 0.1 down to 10, which cost 100.50
    result = qlib_run(
        [[10.05]] * 3, 100.0, risk_degree=1.0, costs={"buy": 0.0, "sell": 0.0, "min_cost": 0},
    )  # fmt: skip
    assert result.fills["shares"][0] == 10
    np.testing.assert_allclose(result.cash, [-0.5, 100.0])
    np.testing.assert_allclose(result.account, [100.0, 100.0])


def test_a_place_that_is_left_goes_to_another_symbol_in_a_later_row():
    #             buy 7  buy 4  sell 7  buy 9  sell 4  buy 7   buy 3   more 3
    row = np.array([1, 1, 2, 2, 2, 3, 3, 4])
    symbol = np.array([7, 4, 7, 9, 4, 7, 3, 3])
    left = np.array([False, False, True, False, True, False, False, False])
    places = places_of(row, symbol, left)
    # in row 2 the places of 7 and 4 are still theirs; in row 3 they are free
    assert places[:5].tolist() == [0, 1, 0, 2, 1]
    assert sorted(places[5:7].tolist()) == [0, 1]
    assert places[7] == places[6]


def test_there_are_as_many_places_as_symbols_held_and_traded_at_once():
    close = np.full((8, 6), 10.0)
    score = np.array([[float((i + t) % 6) for i in range(6)] for t in range(8)])
    strategy = sizeless({"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 1e4, "lot": 1})
    panel = panel_of(score, close)
    ledger = run_kernel(strategy, panel, rules_of(strategy, panel))
    assert len(np.unique(ledger.fills[:, codes.SYMBOL])) > 3
    assert replay_of(ledger).size.shape == (8, 2)
    np.testing.assert_allclose(vectorbt_account(ledger), ledger.account, rtol=1e-12)


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if seed % 6 < 2])
def test_a_users_portfolio_has_the_symbols_as_columns_and_the_accounts_value(seed):
    strategy, panel, rules = case(seed)
    ledger = run(seed, strategy, panel, rules)
    if not len(ledger.fills):
        with pytest.raises(DataError, match="no portfolio without a trade"):
            vectorbt_portfolio(ledger, panel)
        return
    portfolio = vectorbt_portfolio(ledger, panel)
    names = [panel.symbols[n] for n in np.unique(ledger.fills[:, codes.SYMBOL].astype(int))]
    assert list(portfolio.wrapper.columns) == names
    assert len(portfolio.orders.records) == len(ledger.fills)
    without_borrowing = ledger.account + np.cumsum(ledger.borrowed)
    np.testing.assert_allclose(portfolio.value().to_numpy(), without_borrowing, rtol=1e-9, atol=1e-6)


def test_a_users_portfolio_tells_trades_by_symbol_to_the_cent():
    panel = panel_of([[2, 1], [1, 2], [1, 2]], [[10, 20], [10.5, 20], [11.5, 22]],
                     open_=[[10, 20], [10, 20], [11, 21]])  # fmt: skip
    chosen = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 100_000.0, "lot": 100, "price_limit": "none"}
    strategy = sizeless(chosen | {"costs": {"buy": 0.001, "sell": 0.0015, "minimum": 5.0}})
    ledger = run_kernel(strategy, panel, rules_of(strategy, panel))
    portfolio = vectorbt_portfolio(ledger, panel)
    orders = portfolio.orders.records_readable
    assert orders[["Column", "Size", "Price", "Fees", "Side"]].to_numpy().tolist() == [
        ["S00", 9_500, 10, 95, "Buy"],
        ["S00", 9_500, 11, 156.75, "Sell"],
        ["S01", 4_900, 21, pytest.approx(102.9), "Buy"],
    ]
    assert [day.date() for day in portfolio.value().index] == list(panel.dates)
    assert portfolio.value().to_list() == pytest.approx([100_000, 104_655, 114_045.35])
    [closed] = portfolio.trades.closed.records_readable.to_dict("records")
    assert (closed["Column"], closed["PnL"]) == ("S00", pytest.approx(9_500 - 95 - 156.75))
    assert portfolio.returns().to_list() == pytest.approx([0, 0.04655, 114_045.35 / 104_655 - 1])


def test_the_last_cent_is_spent_by_both():
    # everything of a large account goes into one symbol: what rounding makes of the last cent is no difference
    close = np.array([[10.01], [10.03], [10.07]]) * 1.0000001
    strategy = sizeless({"topk": 1, "n_drop": 0, "account": 1.23e11, "lot": 0, "risk_degree": 1.0})
    result = simulate(strategy, panel_of([[1]] * 3, close))
    assert result.cash[0] == pytest.approx(0, abs=1)


@pytest.mark.slow
def test_an_import_without_notebooks_hides_them_only_meanwhile():
    code = (
        "import sys; from kronos_quant.backtest.vectorbt_check import without_notebooks\n"
        "with without_notebooks():\n"
        "    import plotly.io._renderers as found\n"
        "assert found.nbformat is None and 'nbformat' not in sys.modules\n"
        "import nbformat\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_notebook_keeps_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", object())
    before = dict(sys.modules)
    with without_notebooks():
        assert sys.modules == before
