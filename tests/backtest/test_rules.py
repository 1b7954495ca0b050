from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from backtest.markets import panel_of, sizeless

from kronos_quant.backtest import Panel, Strategy, rules_of, simulate
from kronos_quant.errors import DataError
from kronos_quant.market import Facts

NAN = float("nan")


def market(*symbols: str, start: date = date(2024, 6, 17), close=None, score=None) -> Panel:
    """A panel of three sessions; the first symbol is the best on the first, the last one afterwards."""
    N = len(symbols)
    close = close if close is not None else [[10.0] * N] * 3
    score = score if score is not None else [list(range(N, 0, -1)), *[list(range(N))] * 2]
    panel = panel_of(score, close)
    days = tuple(date.fromordinal(start.toordinal() + t) for t in range(len(close)))
    return replace(panel, dates=days, symbols=symbols)


def strategy_of(**fields) -> Strategy:
    return sizeless({"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 100_000.0} | fields)


def test_a_share_pays_commission_and_what_is_levied_on_its_day_to_the_cent():
    result = simulate(strategy_of(), market("SH600000", "SH600001"))
    # 95,000 bought: 0.025% is 23.75, transfer fee 0.001% is 0.95
    assert result.fills["cost"][0] == pytest.approx(23.75 + 0.95, abs=1e-9)
    assert result.fills["levies"][0] == pytest.approx(0.95, abs=1e-9)
    # sold: stamp duty 0.05% is 47.50 on top
    assert result.fills["cost"][1] == pytest.approx(23.75 + 0.95 + 47.5, abs=1e-9)
    assert result.metrics["commission"] == pytest.approx(23.75 * 2 + result.fills["value"][2] * 0.00025)
    assert result.metrics["levies"] == pytest.approx(result.fills["levies"].sum())


def test_both_sides_paid_stamp_duty_until_2008():
    result = simulate(strategy_of(), market("SH600000", "SH600001", start=date(2008, 9, 17)))
    # bought on the 18th at 0.1%, sold on the 19th at 0.1%, and nothing on the purchase of that day
    assert result.fills["levies"].to_list() == pytest.approx([95.0, 95.0, 0.0])
    assert "stamp duty 0.1% both sides" in result.rules[0]
    assert "stamp duty 0.1% of sales from 2008-09-19" in result.rules[0]


def test_the_minimum_is_of_the_commission_alone():
    result = simulate(strategy_of(account=3_200.0), market("SH600000", "SH600001"))
    # 300 shares for 3,000: 0.75 of commission becomes 5, and 0.03 are levied beside it
    assert result.fills["cost"][0] == pytest.approx(5.03)


def test_a_sale_in_new_york_pays_the_sec_and_finra_up_to_its_bound():
    rules = rules_of(strategy_of(), market("AAA", "BBB", start=date(2024, 5, 28)), "XNYS")
    assert rules.sell_levy[0, 0].tolist() == pytest.approx([27.8e-6, 0.0])
    assert (rules.per_share[0, 0], rules.most[0, 0], rules.buy_levy.max()) == (0.000166, 8.30, 0.0)
    few = simulate(strategy_of(), market("AAA", "BBB", start=date(2024, 5, 28)), rules)
    # 9,500 shares sold for 95,000
    assert few.fills["cost"][1] == pytest.approx(2.64 + 1.58)  # 2.641 and 1.577
    rich = strategy_of(account=1e8)
    many = simulate(rich, market("AAA", "BBB", start=date(2024, 5, 28)), rules_of(rich, market("AAA", "BBB"), "XNYS"))
    assert many.fills["cost"][1] == pytest.approx(95_000_000 * 27.8e-6 + 8.30)


def test_crypto_is_traded_in_fractions_as_taker_or_maker():
    panel = market("BTC", "ETH")
    taker = simulate(strategy_of(), panel, rules_of(strategy_of(), panel, "24/7"))
    assert taker.fills["shares"][0] == pytest.approx(9_500.0)
    assert taker.fills["cost"][0] == pytest.approx(95.0)
    assert taker.sessions_per_year == 365
    waiting = strategy_of(costs={"liquidity": "maker"})
    assert rules_of(waiting, panel, "24/7").buy.tolist() == [0.0008]


def test_a_side_stated_whole_pays_nothing_else_and_the_other_its_levies():
    strategy = strategy_of(costs={"open_cost": 0.001, "min_cost": 0})
    result = simulate(strategy, market("SH600000", "SH600001"))
    assert result.fills["cost"][0] == pytest.approx(95.0)
    assert result.fills["levies"].to_list()[:2] == pytest.approx([0.0, 95_000 * 0.00051])


def test_without_levies_the_commission_alone_is_paid():
    result = simulate(strategy_of(costs={"levies": "none", "commission": 0.0002}), market("SH600000", "SH600001"))
    assert result.metrics["levies"] == 0
    assert result.fills["cost"][0] == pytest.approx(19.0)
    assert result.rules == ("commission 0.02%, at least 5 per trade; each fee rounded to 0.01",)


def test_each_market_of_a_mixed_panel_pays_its_own():
    result = simulate(strategy_of(topk=2, n_drop=0), market("HK00700", "SH600000"))
    hong_kong, shanghai = (result.fills.filter(symbol=symbol) for symbol in ("HK00700", "SH600000"))
    assert hong_kong["levies"][0] == pytest.approx(hong_kong["value"][0] * 0.001)
    assert shanghai["levies"][0] == pytest.approx(shanghai["value"][0] * 0.00001)
    assert len(result.rules) == 2
    assert result.sessions_per_year == 252  # no year of both


def test_lots_follow_the_board_and_those_of_hong_kong_the_strategy_file():
    panel = market("BJ830799", "HK00700", "SH600000", "SH688981", close=[[9.7] * 4] * 3)
    result = simulate(strategy_of(topk=4, n_drop=0, lots={"HK00700": 500}), panel)
    # 23,750 / 9.7 = 2,448.4
    assert result.fills.sort("symbol")["shares"].to_list() == pytest.approx([2_448, 2_000, 2_400, 2_448])
    small = simulate(strategy_of(topk=4, n_drop=0, account=6_000.0), panel)
    assert small.orders.sort("symbol").group_by("symbol", maintain_order=True).first()["shares"].to_list() == (
        pytest.approx([146, 146, 100, 0])
    )
    assert any("No board lot for 1 symbol (HK00700)" in note for note in small.notes)


def test_lots_of_symbols_that_are_not_there_are_refused():
    with pytest.raises(DataError, match="lots: no scores and bars of HK00701"):
        rules_of(strategy_of(lots={"HK00701": 500}), market("HK00700"))


def test_special_treatment_is_applied_where_it_is_known_and_counted_where_not():
    panel = market("SH600000", "SH600001", close=[[10.0, 10.0], [10.5, 10.0], [10.5, 10.0]])
    off = simulate(strategy_of(), panel)
    assert off.fills["symbol"][0] == "SH600000"
    # 10.50 is 5% above 10.00, where an ST share could not have been bought
    told = "(2 of 2 symbols could be affected, of whose bars 1 reach exactly that limit; kq ingest intervals st)."
    assert any("No list of ST shares" in note and note.endswith(told) for note in off.notes)
    facts = Facts(panel.dates, st=[("SH600000", panel.dates[0], panel.dates[2])])
    on = simulate(strategy_of(), panel, rules_of(strategy_of(), panel, "XSHG", facts))
    assert on.orders.select("symbol", "reason").rows()[0] == ("SH600000", "limit up")
    assert not any("ST shares" in note for note in on.notes)


def test_without_a_difference_between_the_limits_nothing_is_said_of_special_treatment():
    assert rules_of(strategy_of(), market("SH688981", "SZ300001")).terms.notes == ()
    assert rules_of(strategy_of(), market("SH600000", start=date(2026, 7, 6))).terms.notes == ()
    assert rules_of(strategy_of(price_limit=0.1), market("SH600000")).terms.notes == ()


def test_a_listing_is_free_of_limits_where_its_day_is_known_and_counted_where_not():
    close = [[NAN, 10.0], [10.0, 10.0], [13.0, 10.0], [13.0, 10.0]]
    panel = market("SH688001", "SH688002", close=close, score=[[2, 1]] * 4)
    panel = replace(panel, open=panel.close)
    off = simulate(strategy_of(n_drop=0, costs={"levies": "none"}, lot=0), replace(panel, score=np.array([
        [NAN, NAN], [2, NAN], [2, NAN], [2, NAN]])))  # fmt: skip
    assert off.orders["reason"].to_list()[0] == "limit up"
    assert any("No listing date for 1 symbol whose bars begin within the period (SH688001)" in n for n in off.notes)
    facts = Facts(panel.dates, listed={"SH688001": panel.dates[1]})
    rules = rules_of(strategy_of(), panel, "XSHG", facts)
    assert np.isnan(rules.up[1:, 0]).all()
    assert not rules.terms.notes


def test_an_unknown_exchange_has_plain_costs_and_says_so():
    rules = rules_of(strategy_of(), market("AAA", "SH600000"))
    assert any("The exchange of 1 of 2 symbols is unknown (AAA): default costs" in note for note in rules.terms.notes)
    stated = strategy_of(costs={"buy": 0, "sell": 0}, lot=0, price_limit="none")
    assert rules_of(stated, market("AAA")).terms.notes == ()


def test_annualisation_is_the_exchanges_unless_the_strategy_names_one():
    assert rules_of(strategy_of(), market("SH600000")).terms.sessions_per_year == 243
    assert rules_of(strategy_of(), market("AAA"), "XNYS").terms.sessions_per_year == 252
    assert rules_of(strategy_of(sessions_per_year=250), market("SH600000")).terms.sessions_per_year == 250


def test_a_fund_of_the_mainland_pays_its_broker_and_no_stamp_duty():
    rules = rules_of(strategy_of(), market("SH510300"), "XSHG")
    assert (rules.buy.tolist(), rules.minimum.tolist(), rules.sell_levy.max()) == ([0.00025], [5.0], 0.0)
    assert rules.lot.tolist() == [100]
