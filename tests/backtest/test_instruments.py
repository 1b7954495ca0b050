"""Funds, bonds and B shares in a back-test: limits, lots, costs and T+1 by date, in the engine and in the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import numpy as np
import pytest
from backtest.markets import panel_of

from kronos_quant.backtest import Panel, Strategy, rules_of, simulate
from kronos_quant.backtest.accounts import order_table
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.ledger import simulate_slowly, simulate_targets_slowly
from kronos_quant.errors import DataError
from kronos_quant.market import Facts

ALL = ("BJ920002", "SH113050", "SH508000", "SH510300", "SH513100", "SH588000", "SH600000", "SH688981", "SH900901",
       "SZ123001", "SZ159915", "SZ161725", "SZ200012", "SZ300750")  # fmt: skip


def market(close, *symbols: str, start: date = date(2024, 6, 17), score=None) -> Panel:
    """A panel of weekdays; the first symbol is the best throughout."""
    T, N = len(close), len(symbols)
    panel = panel_of(score if score is not None else [list(range(N, 0, -1))] * T, close)
    return replace(panel, symbols=symbols, dates=weekdays(start, T))


def weekdays(start: date, count: int) -> tuple[date, ...]:
    days = (start + timedelta(days=n) for n in range(2 * count + 7))
    return tuple([day for day in days if day.weekday() < 5][:count])


def strategy_of(**fields) -> Strategy:
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 100_000.0}
    return Strategy.model_validate(plain | {"liquidity": {"impact": 0, "participation": None}} | fields)


def first_order(panel: Panel, facts: Facts | None = None, **fields):
    """Status and reason of the first order, of engine and ledger alike."""
    strategy = strategy_of(**fields)
    rules = rules_of(strategy, panel, "XSHG", facts)
    order = simulate(strategy, panel, rules).orders.row(0, named=True)
    slow = simulate_slowly(strategy, panel, rules).orders[0]
    assert (slow["status"], slow["reason"]) == (order["status"], order["reason"])
    return order["status"], order["reason"]


@pytest.mark.parametrize(
    ("symbol", "start", "before", "price", "reason"),
    [
        ("SH510300", date(2024, 6, 17), 4.005, 4.406, "limit up"),  # 4.4055 rounded up to a tenth of a cent
        ("SH510300", date(2024, 6, 17), 4.005, 4.405, ""),
        ("SZ159915", date(2020, 8, 20), 2.0, 2.2, "limit up"),
        ("SZ159915", date(2020, 8, 21), 2.0, 2.2, ""),
        ("SZ159915", date(2020, 8, 21), 2.0, 2.4, "limit up"),
        ("SZ127045", date(2022, 7, 28), 120.0, 150.0, ""),
        ("SZ127045", date(2022, 7, 29), 120.0, 144.0, "limit up"),
        ("SH900901", date(2024, 6, 17), 0.505, 0.556, "limit up"),
        ("SZ200012", date(2024, 6, 17), 5.05, 5.56, "limit up"),
        ("BJ920002", date(2024, 6, 17), 10.0, 13.0, "limit up"),
    ],
)
def test_the_limit_of_an_instrument_and_day(symbol, start, before, price, reason):
    panel = market([[before], [price]], symbol, start=start)
    assert first_order(panel)[1] == reason
    if reason:  # an order that the limit stopped would pass a tick below
        tick = 0.01 if symbol.startswith(("BJ", "SZ200")) else 0.001
        assert first_order(market([[before], [price - tick]], symbol, start=start)) == ("filled", "")


def test_the_first_day_of_a_delisting_period_has_no_limit_and_the_next_has():
    panel = market([[1.0], [0.4], [0.44]], "SH600000")
    facts = Facts(panel.dates, st=[("SH600000", panel.dates[0], panel.dates[2])],
                  delisting=[("SH600000", panel.dates[1], panel.dates[2])])  # fmt: skip
    assert first_order(panel, facts) == ("filled", "")
    later = market([[0.4], [0.44]], "SH600000", start=panel.dates[1])
    assert first_order(later, facts) == ("rejected", "limit up")


def test_a_reit_is_limited_by_its_issue_price_on_its_first_day():
    panel = market([[np.nan, 1.0], [3.9, 1.0], [3.9, 1.0]], "SH508000", "SH600000")
    panel = replace(panel, score=np.array([[2.0, np.nan]] * 3))
    facts = Facts(panel.dates, listed={"SH508000": panel.dates[1]}, issue_price={"SH508000": 3.0})
    assert first_order(panel, facts, n_drop=0, only_tradable=False) == ("rejected", "limit up")
    assert first_order(replace(panel, open=panel.open - 0.001), facts, n_drop=0, only_tradable=False) == ("filled", "")


def test_what_each_of_them_costs():
    rows = {}
    for symbol, price in (("SH510300", 4.0), ("SZ127045", 100.0), ("SH900901", 0.5), ("SH600000", 10.0)):
        panel = market([[price, 1.0]] * 3, symbol, "SH600001", score=[[2, 1], [1, 2], [1, 2]])
        rows[symbol] = simulate(strategy_of(), panel, rules_of(strategy_of(), panel, "XSHG")).fills
    bought, sold = ({name: fills.row(n, named=True) for name, fills in rows.items()} for n in (0, 1))
    assert [row["levies"] for row in (bought["SH510300"], sold["SH510300"], sold["SZ127045"])] == [0, 0, 0]
    assert sold["SH510300"]["cost"] == pytest.approx(sold["SH510300"]["value"] * 0.00025, abs=0.01)
    assert sold["SH600000"]["levies"] == pytest.approx(sold["SH600000"]["value"] * 0.00051, abs=0.01)
    assert sold["SH900901"]["levies"] == pytest.approx(sold["SH900901"]["value"] * 0.001, abs=0.01)
    # ten bonds of 100 are the smallest order, and no minimum of five
    few = market([[100.0, 1.0]] * 2, "SZ127045", "SH600001")
    strategy = strategy_of(account=1_100.0)
    fill = simulate(strategy, few, rules_of(strategy, few, "XSHG")).fills.row(0, named=True)
    assert (fill["shares"], fill["cost"]) == (10, pytest.approx(0.25))


def bars(panel: Panel, a_session: int) -> Panel:
    """The rows as bars of sessions that have some each."""
    rows = [panel.dates[t // a_session] for t in range(len(panel.dates))]
    times = [datetime.combine(day, time(10)) + timedelta(minutes=5 * (t % a_session)) for t, day in enumerate(rows)]
    return replace(panel, dates=tuple(rows), times=tuple(times))


@pytest.mark.parametrize(
    ("symbol", "kind", "start", "reason"),
    [
        ("SH510300", None, date(2024, 6, 17), "bought today"),
        ("SH518880", None, date(2024, 6, 17), ""),
        ("SH518880", None, date(2014, 6, 16), "bought today"),
        ("SZ127045", None, date(2024, 6, 17), ""),
        ("SZ159985", None, date(2024, 6, 17), "bought today"),
        ("SZ159985", "commodity", date(2024, 6, 17), ""),
        ("SZ159985", "commodity", date(2018, 6, 18), "bought today"),
    ],
)
def test_what_may_be_sold_on_the_day_of_purchase(symbol, kind, start, reason):
    panel = bars(market([[10.0, 10.0]] * 8, symbol, "SH600001", start=start), 4)
    funds = [(symbol, date(2000, 1, 1), date(2099, 12, 31), kind)] if kind else []
    # the first session only gives scores; bought on the first bar of the second, to be sold on the next
    weights = {4: {symbol: 0.5}, 5: {}}
    strategy = strategy_of(strategy="python", code="own.py")
    rules = rules_of(strategy, panel, "XSHG", Facts(panel.dates, funds=funds))
    given = iter(weights.values())
    ledger = run_kernel(strategy, panel, rules, decide=lambda view: next(given, None))
    orders = order_table(ledger.orders, ledger.factor, panel)
    by_number = {
        t: {panel.symbols.index(name): weight for name, weight in chosen.items()} for t, chosen in weights.items()
    }
    slow = simulate_targets_slowly(strategy, panel, rules, by_number.get).orders
    for found in (orders.to_dicts(), slow):
        assert [(order["side"], order["reason"]) for order in found] == [("buy", ""), ("sell", reason)]


def test_a_t1_that_ends_within_an_intraday_period_is_that_of_the_first_session_and_noted():
    def found(start: date):
        return rules_of(strategy_of(), bars(market([[10.0, 10.0]] * 8, "SH513100", "SH600001", start=start), 2), "XSHG")

    across, after = found(date(2015, 1, 15)), found(date(2015, 1, 19))
    assert "T+1 changes within the period for 1 symbol (SH513100)" in across.terms.notes[-1]
    assert across.next_day.tolist() == [True, True]
    assert not any("T+1 changes" in note for note in after.terms.notes)
    assert after.next_day.tolist() == [False, True]


@pytest.mark.parametrize("seed", range(3))
def test_engine_and_ledger_agree_on_all_of_them(seed):
    rng = np.random.default_rng(seed)
    T, N = 40, len(ALL)
    close = np.round(rng.uniform(1, 30, N) * np.exp(np.cumsum(rng.normal(0, 0.07, (T, N)), axis=0)), 3)
    panel = market(close, *ALL, start=date(2022, 7, 11), score=np.round(rng.normal(0, 1, (T, N)), 1))
    days = panel.dates
    facts = Facts(
        days, st=[("SH600000", days[3], days[20])], delisting=[("SH600000", days[21], days[39])],
        listed={"SZ123001": days[14], "SH508000": days[5]}, issue_price={"SH508000": 5.0},
        funds=[("SZ161725", days[0], days[30], "20pct")],
    )  # fmt: skip
    strategy = strategy_of(topk=6, n_drop=3)
    rules = rules_of(strategy, panel, "XSHG", facts)
    ledger, slow = run_kernel(strategy, panel, rules), simulate_slowly(strategy, panel, rules)
    np.testing.assert_allclose(ledger.account[1:], slow.accounts, rtol=1e-12)
    orders = order_table(ledger.orders, ledger.factor, panel)
    assert orders["reason"].to_list() == [order["reason"] for order in slow.orders]
    assert {"limit up", "limit down"} <= set(orders["reason"])


def test_what_has_no_rules_is_refused_unless_the_strategy_says_otherwise_and_that_comes_first():
    panel = market([[100.0, 10.0]] * 3, "SH019547", "SH600000")
    with pytest.raises(DataError, match=r"no trading rules for 1 symbol \(SH019547\)") as error:
        rules_of(strategy_of(), panel, "XSHG")
    assert "unknown_instruments: trade" in error.value.hint
    with pytest.raises(DataError, match="no trading rules"):
        simulate(strategy_of(), panel)
    trade = strategy_of(unknown_instruments="trade")
    result = simulate(trade, panel)
    assert result.fills["symbol"][0] == "SH019547"
    assert result.notes[0].startswith("NO TRADING RULES ARE KNOWN for 1 symbol (SH019547)")
    # nothing is left to the tables, or Qlib's rules hold, or the market is no mainland exchange
    stated = strategy_of(costs={"buy": 0, "sell": 0}, lot=0, price_limit="none")
    assert rules_of(stated, panel, "XSHG").terms.notes == ()
    rules_of(Strategy(profile="qlib"), panel, "XSHG")
    other = replace(panel, symbols=("GOVT", "SPY"))
    assert rules_of(strategy_of(), other, "XNYS").terms.notes == ()


def test_funds_of_unknown_kind_mixed_currencies_and_missing_delisting_periods_are_noted():
    panel = market([[10.0] * 4] * 3, "SH510300", "SH518880", "SH600000", "SH900901")
    panel = replace(panel, delisted=np.array([[2, 2]]))
    notes = rules_of(strategy_of(), panel, "XSHG", Facts(panel.dates, st=[("SH600000", *panel.dates[:2])])).terms.notes
    assert notes[0].startswith("PRICES ARE IN 2 CURRENCIES (CNY SH510300, SH518880 and 1 more; USD SH900901)")
    assert notes[1].startswith("No delisting period for 1 symbol whose listing ends within the period (SH600000)")
    assert notes[2].startswith("The kind of 1 fund (SH510300) is not known")
    known = Facts(panel.dates, st=[("SH600000", *panel.dates[:2])], delisting=[("SH600000", *panel.dates[:2])],
                  funds=[("SH510300", panel.dates[0], panel.dates[2], "ordinary")])  # fmt: skip
    assert len(rules_of(strategy_of(), panel, "XSHG", known).terms.notes) == 1
