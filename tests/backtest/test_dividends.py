"""Dividends against ledgers worked out by hand, to the cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from backtest.markets import panel_of

import kronos_quant as kq
from kronos_quant.backtest import BacktestResult, Panel, Strategy, simulate
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.rules import rules_of
from kronos_quant.backtest.vectorbt_check import vectorbt_portfolio
from kronos_quant.config import read_values
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market.dividends import DIVIDENDS, reference_price

SHARE = "SH600000"
FREE: dict[str, Any] = {
    "costs": {"commission": 0.0, "minimum": 0.0, "levies": "none"},
    "liquidity": {"impact": 0.0, "participation": None},
    "price_limit": "none",
}
NAN = float("nan")
Row = Mapping[str, Any]


def dividend(ex: date, **amounts: Any) -> dict[str, Any]:
    return (
        {name: None if name.endswith("date") else 0.0 for name in DIVIDENDS}
        | {"symbol": SHARE, "ex_date": ex}
        | amounts
    )


def market(days: Sequence[date], prices: Sequence[float], *dividends: Row, symbols: int = 1) -> Panel:
    """Raw prices of a share, NaN where it is suspended, and the factor that its dividends make of them."""
    factor, before, now = [], NAN, 1.0
    for t, price in enumerate(prices):
        for row in dividends:
            if t and days[t - 1] < row["ex_date"] <= days[t]:
                free = row["bonus"] + row["transferred"]
                reference = reference_price(before, row["cash"], free, row["rights_ratio"], row["rights_price"])
                now, before = now * before / reference, reference
        factor.append(NAN if np.isnan(price) else now)
        before = before if np.isnan(price) else price
    raw, factors = np.array([prices]).T, np.array([factor]).T
    panel = panel_of(np.ones(raw.shape), raw * factors, factor=factors)
    return replace(
        panel, dates=tuple(days), symbols=(SHARE,), dividends=pl.DataFrame(list(dividends), schema=DIVIDENDS)
    )


def traded(panel: Panel, weights: Mapping[date, float], **fields: Any) -> BacktestResult:
    """The back-test of weights that are decided at the close of some days, from 100,000."""
    settings = {"strategy": "python", "code": "own.py", "account": 1e5} | FREE | fields
    strategy = Strategy.model_validate(settings)

    def decide(view: Any) -> dict[str, float] | None:
        return {SHARE: weights[view.date]} if view.date in weights else None

    return simulate(strategy, panel, rules_of(strategy, panel), decide=decide)


def days_of(*texts: str) -> list[date]:
    return [date.fromisoformat(text) for text in texts]


WEEK = days_of("2024-06-13", "2024-06-14", "2024-06-17", "2024-06-18", "2024-06-19", "2024-06-20")


def test_cash_is_part_of_the_account_from_the_ex_date_and_paid_at_the_pay_date():
    paid = dividend(WEEK[3], cash=0.5, record_date=WEEK[2], pay_date=WEEK[5])
    result = traded(market(WEEK, [10.0, 10.0, 10.0, 9.5, 9.5, 9.6], paid), {WEEK[0]: 0.1})
    # 1,000 shares at 10; 500 are due from 06-18 on
    assert result.daily["account"].to_list() == pytest.approx([100_000.0] * 4 + [100_100.0], abs=1e-9)
    assert result.daily["cash"].to_list() == pytest.approx([90_000.0] * 4 + [90_500.0], abs=1e-9)
    assert result.daily["dividends"].to_list() == [0.0, 0.0, 500.0, 0.0, 0.0]
    assert result.positions["shares"].to_list() == pytest.approx([1000.0] * 5, abs=1e-9)
    assert result.payouts is not None
    assert result.payouts.rows() == [(WEEK[3], SHARE, 1000.0, 500.0, 0.0, 0.0)]
    assert "Selling all holdings at the end would owe 100.00 dividend tax, which is not deducted." in result.notes


def test_bonus_and_transferred_shares_are_whole_and_the_rest_is_said():
    paid = dividend(WEEK[3], cash=0.123, bonus=0.1, transferred=0.2333)
    price = round(reference_price(10.0, 0.123, 0.3333, 0.0, 0.0), 2)
    result = traded(market(WEEK, [10.0, 10.0, 10.0, price, price, price], paid), {WEEK[0]: 0.11})
    # 1,100 x 0.3333 = 366.63 new shares: 366; 1,100 x 0.123 = 135.30
    assert result.positions["shares"].to_list() == pytest.approx([1100.0] * 2 + [1466.0] * 3, abs=1e-9)
    assert result.daily["account"].to_list()[2:] == pytest.approx([89_000 + 1466 * price + 135.30] * 3, abs=1e-9)
    assert any(note.startswith("Fractions of new shares are rounded away: 4.67") for note in result.notes)
    # par of the bonus shares is taxed too: (0.123 + 0.1) x 1,100 x 20 %
    assert "Selling all holdings at the end would owe 49.06 dividend tax, which is not deducted." in result.notes


BOUGHT = date(2024, 1, 8)


@pytest.mark.parametrize(
    ("sold", "rate"), [("2024-02-08", 0.2), ("2024-02-09", 0.1), ("2025-01-08", 0.1), ("2025-01-09", 0.0)]
)
def test_a_sale_owes_the_tax_of_its_holding_period_to_the_day(sold, rate):
    days = [date(2024, 1, 5), BOUGHT, *days_of("2024-01-15", "2024-01-16", sold)]
    paid = dividend(days[3], cash=0.5, bonus=0.2, transferred=0.3, record_date=days[2])
    result = traded(market(days, [10.0, 10.0, 10.0, 6.5, 6.5], paid), {days[0]: 0.1, days[3]: 0.0})
    # 1,000 x (0.5 + 0.2 x 1 yuan); the new shares are 500 at 6.5 (the reference is 6.33)
    [sale] = result.fills.filter(side="sell").iter_rows(named=True)
    assert sale["shares"] == pytest.approx(1500.0)
    assert sale["dividend_tax"] == pytest.approx(700 * rate, abs=1e-9)
    assert sale["cost"] == 0.0
    assert result.account[-1] == pytest.approx(90_000 + 1500 * 6.5 + 500 - 700 * rate, abs=1e-9)
    assert result.metrics["dividend_tax"] == pytest.approx(700 * rate)


@pytest.mark.parametrize(
    ("year", "record", "at_payment", "within_a_month", "within_a_year", "later"),
    [
        (2004, "2004-06-01", 0.2, 0.0, 0.0, 0.0),
        (2005, "2005-06-13", 0.1, 0.0, 0.0, 0.0),
        (2012, "2012-12-31", 0.1, 0.0, 0.0, 0.0),
        (2013, "2013-01-01", 0.05, 0.15, 0.05, 0.0),
        (2015, "2015-09-07", 0.05, 0.15, 0.05, 0.0),
        (2015, "2015-09-08", 0.0, 0.2, 0.1, 0.0),
    ],
)
def test_the_record_date_decides_which_rates_hold(year, record, at_payment, within_a_month, within_a_year, later):
    held = date.fromisoformat(record)
    before, ex = date.fromordinal(held.toordinal() - 1), date.fromordinal(held.toordinal() + 1)
    ends = {5: within_a_month, 100: within_a_year, 400: later}
    for after, rate in ends.items():
        sold = date.fromordinal(ex.toordinal() + after)
        days = [date.fromordinal(before.toordinal() - 1), before, held, ex, sold]
        paid = dividend(ex, cash=0.5, record_date=held)
        result = traded(market(days, [10.0, 10.0, 10.0, 9.5, 9.5], paid), {days[0]: 0.1, days[3]: 0.0})
        expected = [500 * at_payment, 500 * rate]
        assert result.daily["dividend_tax"].to_list()[2:] == pytest.approx(expected, abs=1e-9), (year, after)
        assert result.account[-1] == pytest.approx(100_000 - sum(expected), abs=1e-9)


def test_the_shares_bought_first_are_sold_first():
    days = days_of("2024-01-05", "2024-01-08", "2024-02-29", "2024-03-01", "2024-03-11", "2024-03-19", "2024-03-20")
    paid = dividend(days[4], cash=0.5, record_date=days[3])
    panel = market(days, [10.0, 10.0, 10.0, 10.0, 9.5, 9.5, 9.5], paid)
    account = 100_000.0
    # 1,000 in January, 500 in March; 1,200 leave: 1,000 held for two months and 200 for three weeks
    weights = {days[0]: 0.1, days[2]: 0.15, days[5]: 300 * 9.5 / account}
    result = traded(panel, weights)
    [sale] = result.fills.filter(side="sell").iter_rows(named=True)
    assert sale["shares"] == pytest.approx(1200.0)
    assert sale["dividend_tax"] == pytest.approx(1000 * 0.5 * 0.1 + 200 * 0.5 * 0.2, abs=1e-9)
    assert "Selling all holdings at the end would owe 30.00 dividend tax, which is not deducted." in result.notes


def test_what_is_sold_on_the_ex_date_is_still_entitled_and_owes_tax():
    paid = dividend(WEEK[3], cash=0.5, record_date=WEEK[2], pay_date=WEEK[5])
    result = traded(market(WEEK, [10.0, 10.0, 10.0, 9.5, 9.5, 9.5], paid), {WEEK[0]: 0.1, WEEK[2]: 0.0})
    [sale] = result.fills.filter(side="sell").iter_rows(named=True)
    assert (sale["date"], sale["dividend_tax"]) == (WEEK[3], pytest.approx(100.0))
    assert result.cash.tolist() == pytest.approx([90_000.0] * 2 + [99_400.0] * 2 + [99_900.0], abs=1e-9)
    assert result.account.tolist() == pytest.approx([100_000.0] * 2 + [99_900.0] * 3, abs=1e-9)


def test_what_is_bought_on_the_ex_date_is_not_entitled():
    paid = dividend(WEEK[3], cash=0.5, record_date=WEEK[2])
    result = traded(market(WEEK, [10.0, 10.0, 10.0, 9.5, 9.5, 9.5], paid), {WEEK[2]: 0.095})
    assert result.payouts is None
    assert result.account.tolist() == pytest.approx([100_000.0] * 5)


def test_an_ex_date_without_a_bar_counts_all_the_same():
    paid = dividend(WEEK[3], cash=0.5, bonus=0.9, record_date=WEEK[2], pay_date=WEEK[4])
    result = traded(market(WEEK, [10.0, 10.0, 10.0, NAN, NAN, 5.2], paid), {WEEK[0]: 0.1})
    # the reference is (10 - 0.5) / 1.9 = 5: 1,900 shares at 5 and 500 in cash, until it trades at 5.2
    assert result.account.tolist() == pytest.approx([100_000.0] * 4 + [100_380.0], abs=1e-9)
    assert result.cash.tolist() == pytest.approx([90_000.0] * 3 + [90_500.0] * 2, abs=1e-9)
    assert result.positions["shares"].to_list() == pytest.approx([1000.0] * 2 + [1900.0] * 3, abs=1e-9)
    assert result.positions["price"].to_list() == pytest.approx([10.0] * 2 + [5.0] * 2 + [5.2], abs=1e-9)


def test_an_ex_date_that_is_no_session_counts_at_the_next_one():
    paid = dividend(date(2024, 6, 15), cash=0.5)
    result = traded(market(WEEK, [10.0, 10.0, 9.5, 9.5, 9.5, 9.5], paid), {WEEK[0]: 0.1})
    assert result.daily["dividends"].to_list() == [0.0, 500.0, 0.0, 0.0, 0.0]


def test_new_shares_are_sold_from_their_listing_date_on():
    paid = dividend(WEEK[3], transferred=1.0, record_date=WEEK[2], list_date=WEEK[5])
    panel = market(WEEK, [10.0, 10.0, 10.0, 5.0, 5.0, 5.0], paid)
    result = traded(panel, {WEEK[0]: 0.1, WEEK[3]: 0.0, WEEK[4]: 0.0})
    sales = result.orders.filter(side="sell").select("date", "status", "reason", "shares").rows()
    assert sales == [
        (WEEK[4], "partial", "new shares not listed", pytest.approx(1000.0)),
        (WEEK[5], "filled", "", pytest.approx(1000.0)),
    ]  # fmt: skip
    assert result.account.tolist() == pytest.approx([100_000.0] * 5, abs=1e-9)


def test_rights_lapse_and_cost_their_discount():
    paid = dividend(WEEK[3], rights_ratio=0.25, rights_price=5.0, record_date=WEEK[2])
    result = traded(market(WEEK, [10.0, 10.0, 10.0, 9.0, 9.0, 9.0], paid), {WEEK[0]: 0.1})
    # the reference is (10 + 0.25 x 5) / 1.25 = 9
    assert result.account.tolist() == pytest.approx([100_000.0] * 2 + [99_000.0] * 3, abs=1e-9)
    assert any(note.startswith("Rights issues are not taken up: 1 ") for note in result.notes)


def test_without_rounding_and_tax_the_account_is_continuous_over_every_ex_date():
    rng = np.random.default_rng(7)
    days = [date.fromordinal(date(2024, 1, 1).toordinal() + t) for t in range(40)]
    paid = [
        dividend(days[t], cash=float(rng.uniform(0, 0.2)), bonus=float(rng.uniform(0, 0.2))) for t in range(3, 40, 4)
    ]
    prices, price = [], 10.0
    for t in range(40):
        # nothing moves but by dividends
        for row in paid:
            if row["ex_date"] == days[t]:
                price = reference_price(price, row["cash"], row["bonus"], 0.0, 0.0)
        prices.append(price)
    panel = market(days, prices, *paid)
    whole = {"lot": 0, "dividend_tax": "none"}
    cash, reinvested = (traded(panel, {days[0]: 0.5}, dividends=mode, **whole) for mode in ("cash", "reinvest"))
    np.testing.assert_allclose(cash.account, 1e5, rtol=1e-12)
    np.testing.assert_allclose(reinvested.account, 1e5, rtol=1e-12)
    assert cash.metrics["dividends"] > 1000
    assert reinvested.metrics["dividends"] == 0
    assert cash.dividend_terms.startswith("cash at the ex-date")
    assert reinvested.dividend_terms.startswith("reinvested")


def test_an_ex_date_that_the_table_lacks_is_reinvested_and_said():
    told, lacking = dividend(WEEK[2], cash=0.5), dividend(WEEK[4], cash=0.5)
    panel = market(WEEK, [10.0, 10.0, 9.5, 9.5, 9.0, 9.0], told, lacking)
    table = panel.dividends
    assert table is not None
    result = traded(replace(panel, dividends=table.head(1)), {WEEK[0]: 0.1})
    assert result.account.tolist() == pytest.approx([100_000.0] * 5, abs=0.01)
    assert any(note.startswith("Dividends of 1 ex-date of 1 holding are not in the table") for note in result.notes)


def test_raw_prices_without_a_factor_are_paid_out_too():
    paid = dividend(WEEK[3], cash=0.5, bonus=0.9, record_date=WEEK[2])
    panel = market(WEEK, [10.0, 10.0, 10.0, 5.0, 5.0, 5.0], paid)
    flat = np.ones((6, 1))
    raw = replace(panel, close=panel.close / panel.factor, open=panel.open / panel.factor, factor=flat)
    result = traded(raw, {WEEK[0]: 0.1})
    assert result.account.tolist() == pytest.approx([100_000.0] * 5, abs=1e-9)


def test_what_is_short_owes_the_dividend():
    paid = dividend(WEEK[3], cash=0.5, bonus=0.9, record_date=WEEK[2])
    panel = market(WEEK, [10.0, 10.0, 10.0, 5.0, 5.0, 5.0], paid)
    fields = {"short": True, "costs": FREE["costs"] | {"borrow": 0.0}}
    result = traded(panel, {WEEK[0]: -0.1}, **fields)
    assert result.account.tolist() == pytest.approx([100_000.0] * 5, abs=1e-9)
    assert result.metrics["dividends"] == -500.0
    assert result.metrics["dividend_tax"] == 0.0
    assert result.legs is not None
    np.testing.assert_allclose(result.legs["short_return"] + result.legs["long_return"], result.returns, atol=1e-12)


def test_vectorbts_portfolio_has_a_row_for_each_ex_date():
    paid = dividend(WEEK[3], cash=0.5, bonus=0.1, record_date=WEEK[2])
    panel = market(WEEK, [10.0, 10.0, 10.0, 8.6, 8.6, 8.6], paid)
    strategy = Strategy.model_validate({"strategy": "buy_and_hold", "topk": 1, "account": 1e5} | FREE)
    ledger = run_kernel(strategy, panel, rules_of(strategy, panel))
    value = vectorbt_portfolio(ledger, panel).value()
    assert len(value) == 7
    assert value.iloc[[0, 1, 2, 4, 5, 6]].to_numpy() == pytest.approx(ledger.account, rel=1e-12)


def test_a_table_without_a_workspace_pays_too():
    bars = pl.DataFrame({"date": WEEK, "symbol": SHARE, "volume": 1e6, "close": [10.0, 10.0, 10.0, 9.5, 9.5, 9.5]})
    bars = bars.with_columns(pl.col("close").alias(name) for name in ("open", "high", "low"))
    scores = bars.select("date", "symbol", score="close")
    table = pl.DataFrame({"symbol": SHARE, "record_date": WEEK[2:3], "ex_date": WEEK[3:4], "cash": 0.5})
    result = kq.backtest(bars, scores, topk=1, n_drop=0, account=1e4, dividend_table=table, **FREE)
    [(shares, paid)] = result.payouts.select("shares", "dividend").rows()
    assert paid == pytest.approx(shares * 0.5)
    assert result.account[-1] == pytest.approx(1e4)


def test_cash_needs_a_table_and_the_exchanges_rules():
    panel = replace(market(WEEK, [10.0] * 6), dividends=None)
    with pytest.raises(DataError, match="cash: no dividend of 1 symbol after 2024-06-13 up to 2024-06-20") as error:
        traded(panel, {}, dividends="cash")
    assert error.value.hint == "kq ingest dividends FILE"
    with pytest.raises(ConfigError, match="Qlib reinvests dividends"):
        read_values(Strategy, {"profile": "qlib", "dividends": "cash"})
    assert read_values(Strategy, {"profile": "qlib", "dividends": "reinvest"}).dividends == "reinvest"
