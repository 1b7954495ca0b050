"""The profile qlib against pyqlib itself, run here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from backtest.qlib.directories import made_panel, scores_of, write_directory

from kronos_quant.backtest import Panel, Strategy
from kronos_quant.backtest.accounts import order_table
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.qlib import oracle
from kronos_quant.backtest.qlib.market import facts_of_directory, qlib_unit
from kronos_quant.backtest.qlib.oracle import canonical_order, run_pyqlib
from kronos_quant.errors import KronosQuantError

GRID = [
    {"topk": 4, "n_drop": 1, "hold_thresh": 1},
    {"topk": 6, "n_drop": 6, "hold_thresh": 3, "fill": "close"},
    {"topk": 5, "n_drop": 0, "hold_thresh": 2},
    {"topk": 5, "n_drop": 2, "hold_thresh": 0, "qlib": {"only_tradable": True}},
    {"topk": 5, "n_drop": 2, "hold_thresh": 1, "qlib": {"forbid_all_trade_at_limit": False}},
    {"topk": 3, "n_drop": 1, "qlib": {"only_tradable": True, "forbid_all_trade_at_limit": False}, "fill": "close"},
    {"topk": 30, "n_drop": 5, "hold_thresh": 1, "account": 30_000.0, "risk_degree": 1.0},
    {"topk": 5, "n_drop": 2, "price_limit": "none", "costs": {"open_cost": 0.0, "close_cost": 0.002, "min_cost": 50}},
    {"topk": 5, "n_drop": 2, "price_limit": 0.05, "lot": 0},
    {"topk": 5, "n_drop": 2, "hold_thresh": 1, "qlib": {"volume_threshold": 0.1}, "account": 3e6},
    {"topk": 5, "n_drop": 2, "hold_thresh": 1, "qlib": {"volume_threshold": 0.37}, "account": 1e7, "lot": 0},
    {
        "topk": 5,
        "n_drop": 2,
        "hold_thresh": 1,
        "qlib": {"volume_threshold": {"buy": 0.02, "sell": ["cum", "$volume * 0.011"]}, "impact_cost": 0.02},
        "account": 1e6,
    },
    {"topk": 5, "n_drop": 2, "hold_thresh": 1, "qlib": {"impact_cost": 0.1}, "account": 1e6},
    {"topk": 8, "n_drop": 3, "qlib": {"impact_cost": 0.5, "volume_threshold": 0.05}, "account": 1e6, "fill": "close"},
]


def compare(seed: int, chosen: dict, root, panel: Panel | None = None, **listing) -> None:
    panel = made_panel(seed) if panel is None else panel
    directory = write_directory(panel, root / f"qlib{seed}", **listing)
    strategy = Strategy.model_validate({"profile": "qlib"} | chosen)
    facts = facts_of_directory(panel, directory)
    ledger = run_kernel(strategy, panel, None, facts)
    unit = qlib_unit(strategy, facts)
    theirs = run_pyqlib(directory, scores_of(panel), panel.dates[1], panel.dates[-1], strategy, unit)
    assert theirs.dates == panel.dates[1:]
    np.testing.assert_allclose(ledger.account[1:], theirs.account, rtol=1e-9, err_msg=str(chosen))
    orders = order_table(ledger.orders, ledger.factor, panel).filter(pl.col("status") != "rejected")
    filled = theirs.fills
    assert orders.select("date", "symbol", "side").equals(filled.select("date", "symbol", "side"))
    np.testing.assert_allclose(orders["adjusted_shares"], filled["shares"], rtol=1e-9)
    np.testing.assert_allclose(orders["cost"], filled["cost"], rtol=1e-9)
    assert len(orders) > 20


def test_one_made_market_is_traded_as_by_pyqlib(tmp_path):
    compare(0, GRID[0], tmp_path)


def test_a_symbol_is_not_traded_between_two_spans_of_its_listing(tmp_path):
    # the first six symbols list late or are delisted
    away = {"SH600007": (20, 33), "SH600009": (10, 12), "SH600011": (40, 55)}
    compare(3, {"topk": 6, "n_drop": 2, "hold_thresh": 1}, tmp_path, unlisted=away)


def test_a_cumulative_volume_is_the_days_own_where_a_bar_is_a_day(tmp_path, monkeypatch):
    plain = oracle.exchange_settings

    def cumulative(strategy, unit):
        sides = plain(strategy, unit)["volume_threshold"].items()
        return plain(strategy, unit) | {"volume_threshold": {side: ("cum", share) for side, (_, share) in sides}}

    monkeypatch.setattr(oracle, "exchange_settings", cumulative)
    # Qlib itself stops at a cumulative volume that is missing before a gap
    panel = made_panel(4)
    panel = replace(panel, volume=np.where(np.isnan(panel.volume), 100_000.0, panel.volume))
    chosen = {"topk": 5, "n_drop": 2, "hold_thresh": 1, "qlib": {"volume_threshold": 0.05}, "account": 1e6}
    compare(4, chosen, tmp_path, panel)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(GRID)))
def test_the_grid_is_traded_as_by_pyqlib(number, tmp_path):
    for seed in range(3):
        compare(10 * number + seed, GRID[number], tmp_path)


def test_where_qlib_itself_fails_one_line_says_so(tmp_path):
    chosen = {"topk": 5, "n_drop": 2, "account": 1e4, "lot": 0, "risk_degree": 1.0}
    chosen |= {"costs": {"open_cost": 0, "min_cost": 5}}
    with pytest.raises(KronosQuantError, match="pyqlib itself fails on this strategy: ZeroDivisionError") as error:
        compare(1, chosen, tmp_path)
    assert "state costs.buy, or minimum: 0" in error.value.hint


def test_the_canonical_order_ends_with_the_run():
    sort_values = pd.Series.sort_values
    with pytest.raises(ZeroDivisionError), canonical_order():
        assert pd.Series([1, 0, 1]).sort_values().index.tolist() == [1, 0, 2]
        raise ZeroDivisionError
    assert pd.Series.sort_values is sort_values
