"""The tables of boards, funds and bonds against marina-rules (PyPI, data CC0), on both sides of every change.

Where marina has no record there is nothing to compare; every other difference is named in DEVIATIONS with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import marina_rules
import numpy as np
import pytest

from kronos_quant.backtest.kernel.states import rounded_nb
from kronos_quant.market.exchanges.boards import Facts, levy_exchange, rules_panel
from kronos_quant.market.exchanges.levies import levies

LAST = date(2026, 12, 1)
NO_TICK = "marina has no tick of bonds and rounds to that of shares; SZSE's Trading Rules 2011 say 0.001 for bonds"
DEVIATIONS = {("convertible", "tick"): NO_TICK, ("convertible_day1", "tick"): NO_TICK}


@dataclass(frozen=True)
class Case:
    """A symbol that belongs to a scope of marina's, and what makes it belong there on a day."""

    market: str
    symbol: str
    fact: Callable[[str, date], Facts] = lambda symbol, on: Facts(days_to(on))
    rule: str = "price_limit_pct"


def days_to(on: date) -> list[date]:
    """Weekdays up to a day, which is one of them."""
    found = (on - timedelta(days=back) for back in range(60, 0, -1))
    return [*(day for day in found if day.weekday() < 5), on]


def st(symbol: str, on: date) -> Facts:
    return Facts(days_to(on), st=[(symbol, on, on)])


def listed(sessions: int) -> Callable[[str, date], Facts]:
    """Listed so many sessions ago, today included, at an issue price of 5."""

    def facts(symbol: str, on: date) -> Facts:
        days = days_to(on)
        return Facts(days, listed={symbol: days[-sessions]}, issue_price={symbol: 5.0})

    return facts


def delisting(sessions: int) -> Callable[[str, date], Facts]:
    """In the so-manieth session of the delisting period, of a share that was ST before."""

    def facts(symbol: str, on: date) -> Facts:
        days = days_to(on)
        return Facts(days, st=[(symbol, days[0], on)], delisting=[(symbol, days[-sessions], LAST)])

    return facts


def fund(kind: str) -> Callable[[str, date], Facts]:
    return lambda symbol, on: Facts(days_to(on), funds=[(symbol, date(1990, 1, 1), LAST, kind)])


OF_ISSUE = "price_limit_pct_of_issue_price"
CASES = {
    "main_board": [Case("XSHG", "SH600000"), Case("XSHE", "SZ000001"), Case("XSHE", "SZ002001")],
    "chinext": [Case("XSHE", "SZ300750")],
    "star": [Case("XSHG", "SH688981")],
    "bse": [Case("BJSE", "BJ920002"), Case("BJSE", "BJ430047")],
    "st_main": [Case("XSHG", "SH601000", st), Case("XSHE", "SZ000002", st)],
    "st_chinext": [Case("XSHE", "SZ301001", st)],
    "st_star": [Case("XSHG", "SH688001", st)],
    "st_bse": [Case("BJSE", "BJ830799", st)],
    "ipo_day1_main": [Case("XSHG", "SH603000", listed(1)), Case("XSHE", "SZ001001", listed(1))],
    "ipo_first5_main": [Case("XSHG", "SH603000", listed(5)), Case("XSHE", "SZ001001", listed(3))],
    "ipo_first5_chinext": [Case("XSHE", "SZ301002", listed(5))],
    "ipo_first5_star": [Case("XSHG", "SH688002", listed(5))],
    "ipo_day1_bse": [Case("BJSE", "BJ920003", listed(1))],
    "b_share": [Case("XSHG", "SH900901"), Case("XSHE", "SZ200012")],
    "st_b_share": [Case("XSHG", "SH900901", st), Case("XSHE", "SZ200012", st)],
    "etf": [Case("XSHG", "SH510300"), Case("XSHE", "SZ161725"), Case("XSHG", "SH588000", fund("ordinary"))],
    "etf_20pct": [Case("XSHG", "SH588000"), Case("XSHE", "SZ159915"), Case("XSHE", "SZ159919", fund("20pct"))],
    "etf_bond": [Case("XSHG", "SH511010"), Case("XSHE", "SZ159816", fund("bond"))],
    "etf_money": [Case("XSHG", "SH511880"), Case("XSHE", "SZ159001", fund("money"))],
    "etf_gold": [Case("XSHG", "SH518880"), Case("XSHE", "SZ159934", fund("gold"))],
    "etf_crossborder": [Case("XSHG", "SH513100"), Case("XSHE", "SZ164705", fund("cross-border"))],
    "etf_commodity": [Case("XSHG", "SH510170", fund("commodity")), Case("XSHE", "SZ159985", fund("commodity"))],
    "convertible": [Case("XSHG", "SH113050"), Case("XSHE", "SZ127045"), Case("XSHE", "SZ123001")],
    "convertible_day1": [Case("XSHG", "SH113050", listed(1), OF_ISSUE), Case("XSHE", "SZ123001", listed(1), OF_ISSUE)],
    "delisting": [Case("XSHG", "SH600000", delisting(2)), Case("XSHE", "SZ000001", delisting(9))],
    "delisting_day1": [Case("XSHG", "SH600000", delisting(1)), Case("XSHE", "SZ000001", delisting(1))],
    "delisting_chinext": [Case("XSHE", "SZ300001", delisting(2))],
    "delisting_star": [Case("XSHG", "SH688001", delisting(2))],
    "delisting_day1_star": [Case("XSHG", "SH688001", delisting(1))],
    "delisting_bse": [Case("BJSE", "BJ830799", delisting(2))],
    "delisting_day1_bse": [Case("BJSE", "BJ830799", delisting(1))],
    "reits": [Case("XSHG", "SH508000", listed(2)), Case("XSHE", "SZ180101", listed(2))],
    "reits_day1": [Case("XSHG", "SH508000", listed(1)), Case("XSHE", "SZ180101", listed(1))],
}
PAIRS = [(scope, case) for scope, cases in CASES.items() for case in cases]

PRICED = [
    (scope, case)
    for scope, case in PAIRS
    if case.rule != OF_ISSUE and not scope.startswith(("etf_b", "etf_m", "etf_g", "etf_c"))
]  # marina has the limits of these kinds under etf


def days_of(scope: str) -> list[date]:
    """Weekdays around every change of any rule of a scope, and some between."""
    edges = {
        date.fromisoformat(str(edge)[:10])
        for record in marina_rules.records()
        for edge in (record.effective_from, record.effective_to)
        if record.scope in (scope, "stock", "etf", "b_share") and edge
    }
    around = {edge + timedelta(days=move) for edge in edges for move in (-4, -1, 0, 1, 30, 400)}
    return sorted(day for day in around if day.weekday() < 5 and date(1992, 1, 1) < day <= LAST)


def facts_on(scope: str, case: Case, on: date) -> Facts | None:
    """What makes a symbol belong to a scope; None where it was listed before the scope's rule was there."""
    facts = case.fact(case.symbol, on)
    begins = [record.effective_from for record in marina_rules.records() if record.scope == scope]
    first = date.fromisoformat(min(str(begin)[:10] for begin in begins))
    return None if facts.listed and scope.startswith("ipo") and facts.listed[case.symbol] < first else facts


def in_force(rule: str, scope: str, case: Case, on: date):
    """What marina says, or None where it has no record."""
    try:
        return marina_rules.rule_at(rule, str(on), scope, case.market)
    except KeyError:
        return None


@pytest.mark.parametrize(("scope", "case"), PAIRS, ids=[f"{scope}-{case.symbol}" for scope, case in PAIRS])
def test_limits_t1_and_ticks_are_those_of_marina(scope: str, case: Case) -> None:
    compared = 0
    for on in days_of(scope):
        facts = facts_on(scope, case, on)
        if facts is None:
            continue
        panel = rules_panel([case.symbol], [on], "", facts)
        up, down = float(panel.up[0, 0]), float(panel.down[0, 0])
        band = in_force(case.rule, "etf" if scope.startswith("etf_") and scope != "etf_20pct" else scope, case, on)
        if band is not None:
            compared += 1
            expected = (np.nan, np.nan) if band == "unlimited" else (band, band)
            expected = (band["up"], band["down"]) if isinstance(band, dict) else expected
            np.testing.assert_allclose((up, down), expected, err_msg=f"{on}")
            of_issue = np.isnan(panel.reference[0, 0])
            assert of_issue == (scope not in ("ipo_day1_main", "convertible_day1", "reits_day1") or np.isnan(up)), on
        settles = "b_share" if "b_share" in scope else scope if "etf" in scope else "stock"
        holding = in_force("min_holding_days", settles, case, on)
        if holding is not None and "convertible" not in scope and not scope.startswith("reits"):
            compared += 1
            assert bool(panel.next_day[0, 0]) == (holding == 1), on
        if (scope, "tick") not in DEVIATIONS:
            with_record = None
            try:
                with_record = marina_rules.tick_size(scope, str(on), case.market)
            except KeyError:
                continue
            compared += 1
            assert panel.tick[0] == with_record, on
    assert compared >= 8


@pytest.mark.parametrize(("scope", "case"), PRICED, ids=[f"{scope}-{case.symbol}" for scope, case in PRICED])
def test_limit_prices_are_those_of_marina(scope: str, case: Case) -> None:
    checked = 0
    for on in days_of(scope)[::3]:
        facts = facts_on(scope, case, on)
        if facts is None or in_force(case.rule, scope, case, on) is None:
            continue
        panel = rules_panel([case.symbol], [on], "", facts)
        decimals = {0.01: 2, 0.001: 3}[panel.tick[0]]
        for before in (1.005, 3.335, 10.05, 99.875, 128.456):
            before = round(before, decimals)
            limits = marina_rules.limit_price(before, scope, str(on), case.market, decimals=decimals)
            up, down = before * (1 + panel.up[0, 0]), before * (1 - panel.down[0, 0])
            if limits is None:
                assert np.isnan(up)
                continue
            checked += 1
            ours = rounded_nb(up, panel.tick[0]), rounded_nb(down, panel.tick[0])
            assert ours == pytest.approx(limits, abs=1e-9), (on, before)
    unlimited = scope.startswith(("ipo_first5", "ipo_day1_bse", "delisting_day1_bse"))
    assert checked > 0 or unlimited


def test_levies_are_those_of_marina_and_on_shares_alone() -> None:
    names = {"stamp_duty_sell": "stamp duty", "transfer_fee_each_side": "transfer fee"}
    compared = 0
    for on in days_of("stock"):
        for rule, name in names.items():
            try:
                rate = marina_rules.rule_at(rule, str(on))
            except KeyError:
                continue
            compared += 1
            [levy] = [one for one in levies(levy_exchange("SH600000", ""), on) if one.name == name]
            assert levy.sell == rate, on
            assert levy.buy == (rate if name == "transfer fee" else 0), on
        for symbol in ("SH510300", "SZ159915", "SH508000", "SZ127045"):
            assert levies(levy_exchange(symbol, ""), on) == ()
    assert compared > 10


def test_every_scope_of_marina_is_compared() -> None:
    assert set(CASES) | {"stock"} == set(marina_rules.scopes())
    assert {scope for scope, _ in DEVIATIONS} <= set(CASES)
    # a case that says nothing of its scope would compare a share with itself
    assert replace(CASES["st_main"][0], fact=Case.fact) != CASES["st_main"][0]
