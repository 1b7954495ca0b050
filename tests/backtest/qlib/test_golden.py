"""The profile qlib against what pyqlib 0.9.7 gave on a made directory (tests/data/qlib_golden)."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
from made import ROOT

from kronos_quant.backtest import Strategy, build_panel
from kronos_quant.backtest.accounts import order_table
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.qlib.market import QlibFacts, derived_facts
from kronos_quant.panel.matrix import to_matrix

GOLDEN = ROOT / "tests" / "data" / "qlib_golden"
KNOWN = json.loads((GOLDEN / "configs.json").read_text())


def run(name: str, *, stored_change: bool = True):
    config = KNOWN["configs"][name]
    chosen = dict(config.get("strategy_kwargs", {}))
    strategy = Strategy.model_validate(
        {key: config[key] for key in ("topk", "n_drop", "hold_thresh", "account") if key in config}
        | {"profile": "qlib", "risk_degree": chosen.pop("risk_degree", 0.95), "qlib": chosen}
    )
    sessions = [date.fromisoformat(day) for day in KNOWN["sessions"]]
    first, last = (sessions.index(date.fromisoformat(config[key])) for key in ("start", "end"))
    bars = pl.read_parquet(GOLDEN / "bars.parquet")
    scores = pl.read_parquet(GOLDEN / "scores.parquet")
    panel = build_panel(bars, scores, sessions[first - 1 : last + 1], keep_unpriced=True)
    facts = derived_facts(panel)
    if stored_change:
        facts = QlibFacts(to_matrix(bars, "change", panel.dates, panel.symbols), panel.volume, 100)
    ledger = run_kernel(strategy, panel, None, facts)
    return ledger, order_table(ledger.orders, ledger.factor, panel)


@pytest.mark.parametrize("name", KNOWN["configs"])
@pytest.mark.parametrize("stored_change", [True, False])
def test_accounts_and_orders_are_those_of_pyqlib(name, stored_change):
    ledger, orders = run(name, stored_change=stored_change)
    expected = pl.read_parquet(GOLDEN / "accounts.parquet").filter(config=name)
    np.testing.assert_allclose(ledger.account[1:], expected["account"], rtol=1e-12)
    np.testing.assert_allclose(ledger.cash[1:], expected["cash"], rtol=1e-12, atol=1e-4)
    theirs = pl.read_parquet(GOLDEN / "orders.parquet").filter(pl.col("config") == name, pl.col("deal_amount") > 0)
    filled = orders.filter(pl.col("status") != "rejected")
    assert filled.select("date", "symbol", "side").equals(theirs.select("date", "symbol", "side"))
    for ours, other in (("adjusted_shares", "deal_amount"), ("adjusted_price", "price"), ("cost", "cost")):
        np.testing.assert_allclose(filled[ours], theirs[other], rtol=1e-12)


def test_an_order_of_qlibs_that_came_to_nothing_is_a_rejection():
    _, orders = run("small_cash")
    theirs = pl.read_parquet(GOLDEN / "orders.parquet").filter(pl.col("config") == "small_cash")
    empty = theirs.filter(pl.col("deal_amount") == 0).select("date", "symbol", "side")
    rejected = orders.filter(pl.col("reason").is_in(["below one lot", "not enough cash"]), status="rejected")
    assert rejected.select("date", "symbol", "side").equals(empty)
