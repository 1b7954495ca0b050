"""Suspended, resumed, delisted and newly listed symbols: what is ordered of them, and when it is known."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from backtest.markets import intraday, panel_of

from kronos_quant.backtest import Panel, Strategy, build_panel, rules_of, simulate
from kronos_quant.backtest.accounts import order_table
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.panel import known_suspended
from kronos_quant.market.listings import SPANS, Listings, listing_spans
from kronos_quant.market.suspensions import PAUSED

NAN = float("nan")
PLAIN = {"topk": 3, "n_drop": 1, "hold_thresh": 1, "account": 1e5, "lot": 0, "price_limit": "none", "risk_degree": 1.0,
         "costs": {"buy": 0, "sell": 0, "minimum": 0}}  # fmt: skip


def test_suspended_holdings_take_no_place_of_those_that_are_dropped():
    # three of the five held are suspended for 20 sessions and rank last in all of them
    rng = np.random.default_rng(0)
    score = np.hstack([np.tile([9.0, 8.0, 7.0], (30, 1)), rng.normal(0, 1, (30, 9))])
    score[2:, :3] -= 20
    close = np.full((30, 12), 10.0)
    close[3:23, :3] = NAN
    asked, refused = {}, {}
    for chosen in (False, True):
        strategy = Strategy.model_validate(PLAIN | {"topk": 5, "only_tradable": chosen, "hold_thresh": 0})
        panel = panel_of(score, close, gone=[30] * 12)
        result = simulate(strategy, panel)
        sales = result.orders.filter(pl.col("side") == "sell", pl.col("date") > panel.dates[3])
        asked[chosen] = sales.filter(pl.col("date") <= panel.dates[23])
        refused[chosen] = int((asked[chosen]["status"] == "rejected").sum())
        # a place is a place: five are held throughout
        assert result.positions.group_by("date").len()["len"].to_list() == [5] * 29
    assert refused[False] >= 0.6 * len(asked[False])
    assert refused[True] == 0
    # the drop goes to the next worst: a symbol that trades is replaced in nearly every session
    assert len(asked[True]) > 12
    assert set(asked[True]["symbol"]) & {"S00", "S01", "S02"} == set()


def test_a_symbol_that_resumes_is_ordered_from_the_next_session_on():
    close = [[10.0, 20.0], [10.0, 20.0], [NAN, 20.0], [NAN, 20.0], [11.0, 20.0], [11.0, 20.0], [11.0, 20.0]]
    score = [[2, 1], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2]]
    result = simulate(Strategy.model_validate(PLAIN | {"topk": 1}), panel_of(score, close))
    found = [(row["date"].day, row["symbol"], row["side"], row["status"]) for row in result.orders.rows(named=True)]
    # its suspension begins in the session of the first sale, which nobody knows when it is ordered
    assert found == [
        (2, "S00", "buy", "filled"),
        (3, "S00", "sell", "rejected"),
        (6, "S00", "sell", "filled"),
        (6, "S01", "buy", "filled"),
    ]
    # as a candidate it is passed over in the same way
    other = simulate(Strategy.model_validate(PLAIN | {"topk": 1}), panel_of([[NAN, NAN]] * 2 + [[2, NAN]] * 5, close))
    assert [row["date"].day for row in other.orders.rows(named=True)] == [6]


def test_weights_of_suspended_symbols_are_no_orders_and_a_kept_holding_counts_in_the_exposure():
    close = [[10.0, 20.0, 40.0]] * 2 + [[NAN, 20.0, 40.0]] * 3
    score = [[3, 2, NAN], [1, 2, 3], [1, 2, 3], [3, 2, 1], [3, 2, 1]]
    strategy = Strategy.model_validate(PLAIN | {"topk": 2, "strategy": "topk_rebalance"} | {"risk_degree": 0.8})
    result = simulate(strategy, panel_of(score, close, gone=[5] * 3))
    asked = result.orders.filter(pl.col("symbol") == "S00")
    assert asked.select(pl.col("date").dt.day(), "side", "status").rows() == [
        (2, "buy", "filled"),
        (3, "sell", "rejected"),
    ]
    weights = result.positions.filter(pl.col("date") == date(2024, 1, 5)).select("symbol", "weight").rows()
    assert weights == [("S00", pytest.approx(0.4)), ("S01", pytest.approx(0.4))]
    # a function of a user's own is told, and its orders of such symbols are not placed
    seen = []

    def decide(view):
        seen.append(view.suspended.tolist())
        return {"S00": 0.5}

    own = Strategy.model_validate(PLAIN | {"strategy": "python", "code": "own.py"})
    orders = simulate(own, panel_of(score, close, gone=[5] * 3), decide=decide).orders
    assert seen == [[False] * 3, [False] * 3, [True, False, False], [True, False, False]]
    assert orders["date"].max() == date(2024, 1, 2)


def test_bars_of_a_session_that_was_suspended_make_a_symbol_known_to_trade_again():
    close = [[10.0], [10.0], [NAN], [NAN], [NAN], [10.0], [10.0], [NAN]]
    assert known_suspended(intraday(panel_of([[1]] * 8, close), 2))[:, 0].tolist() == [
        False, False, False, False,
        # the session before had no bar; the second bar of this one is known in the next row only
        True, True, False, False,
    ]  # fmt: skip
    assert known_suspended(panel_of([[1]] * 8, close))[:, 0].tolist() == [False] * 3 + [True] * 3 + [False] * 2


DAYS = [date(2024, 1, 1) + timedelta(days=t) for t in range(26)]
AFTER = 4
"""Sessions without a bar after which a listing counts as over, here."""


def made_bars(seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Bars, suspended sessions that the source has, scores, and a table of some listings.

    Symbols are listed late, suspended for a few or many sessions, resume or do not, most of it towards the end.
    """
    rng = np.random.default_rng(seed)
    T, N = len(DAYS), 9
    there = np.ones((T, N), dtype=bool)
    for n in range(N):
        if rng.random() < 0.3:
            there[: int(rng.integers(1, T - 2)), n] = False
        for _ in range(int(rng.integers(0, 4))):
            begin = int(rng.integers(3, T))
            there[begin : begin + int(rng.choice([1, 2, 4, 5, 6, 9, 30])), n] = False
    price = np.round(10 * np.exp(np.cumsum(rng.normal(0, 0.03, (T, N)), axis=0)), 2)
    rows, columns = np.nonzero(there)
    names = np.array([f"SH60000{n}" for n in range(N)])
    days = pl.Series(DAYS)
    values = pl.Series(price[rows, columns])
    bars = pl.DataFrame({"symbol": names[columns], "date": days.gather(rows)}).with_columns(
        *(values.alias(name) for name in ("open", "high", "low", "close")),
        time=pl.col("date").cast(pl.Datetime("us")), volume=1e6, amount=1e7, factor=1.0,
    )  # fmt: skip
    halted = ~there & (rng.random((T, N)) < 0.1)
    t, n = np.nonzero(halted)
    suspended = pl.DataFrame({"symbol": names[n], "date": days.gather(t)}, schema=PAUSED)
    scores = pl.DataFrame(
        {"date": days.gather(np.repeat(np.arange(T), N)), "symbol": np.tile(names, T), "score": rng.normal(size=T * N)}
    )
    table = [(names[0], DAYS[0], DAYS[int(rng.integers(8, T))]), (names[1], DAYS[0], date(2100, 1, 1))]
    return bars, suspended, scores, pl.DataFrame(table, schema=SPANS, orient="row")


def panel_until(count: int, bars, suspended, scores, table) -> Panel:
    """What a workspace has when `count` sessions have been ingested."""
    bars, suspended = (frame.filter(pl.col("date") <= DAYS[count - 1]) for frame in (bars, suspended))
    stored = pl.concat([bars.select("symbol", "date"), suspended])
    spans = stored.group_by("symbol").agg(first_date=pl.col("date").min(), last_date=pl.col("date").max())
    last = spans.select("symbol", last="last_date")
    known = listing_spans(spans.with_columns(in_all=None), table, last, DAYS[:count], AFTER)
    return build_panel(bars, scores, DAYS[:count], Listings(known, suspended, AFTER))


def orders_of(strategy: Strategy, panel: Panel) -> pl.DataFrame:
    ledger = run_kernel(strategy, panel, rules_of(strategy, panel))
    return order_table(ledger.orders, ledger.factor, panel)


@pytest.mark.parametrize(("rule", "seeds"), [("topk_dropout", range(3)), ("topk_rebalance", range(8, 12))])
def test_orders_are_the_same_wherever_the_data_end(rule, seeds):
    strategy = Strategy.model_validate({"strategy": rule, "topk": 4, "n_drop": 1, "hold_thresh": 1, "account": 1e6})
    left, bought_again = 0, 0
    for seed in seeds:
        made = made_bars(seed)
        whole = orders_of(strategy, panel_until(len(DAYS), *made))
        for count in range(6, len(DAYS)):
            cut = orders_of(strategy, panel_until(count, *made))
            assert cut.equals(whole.filter(pl.col("date") <= DAYS[count - 1])), (seed, count)
        gone = whole.filter(reason="delisted").group_by("symbol").agg(over=pl.col("date").min())
        left += len(gone)
        later = whole.join(gone, on="symbol").filter(pl.col("date") > pl.col("over"), side="buy", status="filled")
        bought_again += later["symbol"].n_unique()
    assert left > 5
    assert bought_again > 1


def test_how_much_of_the_account_no_table_of_listings_vouches_for_is_said():
    close = [[10.0, 20.0], [10.0, 20.0], [10.0, 20.0], [NAN, 20.0], [NAN, 40.0]]
    strategy = Strategy.model_validate(PLAIN | {"topk": 2, "n_drop": 0})
    panel = panel_of([[2, 1]] * 5, close, gone=[5, 5])
    [note] = [note for note in simulate(strategy, panel).notes if "no table states" in note]
    # half of the account, a third of it once the other holding has doubled
    assert note.startswith("Up to 50.0% of the account (on 2024-01-04) was in 1 holding without a further bar")
    assert "(S00, from 2024-01-04 to 2024-01-05)" in note
    stated = Panel(**{name: getattr(panel, name) for name in panel.__slots__} | {"stated": ("S00",)})
    assert not [note for note in simulate(strategy, stated).notes if "no table states" in note]
    # a symbol that trades again is known to have been listed, unless it counted as delisted before
    resumed = panel_of([[2, 1]] * 5, [*close[:4], [10.0, 40.0]], gone=[5, 5])
    assert not [note for note in simulate(strategy, resumed).notes if "no table states" in note]
    over = simulate(strategy, panel_of([[2, 1]] * 5, [*close[:4], [8.0, 40.0]], gone=[4, 5]))
    assert [note for note in over.notes if "(S00, from 2024-01-04 to 2024-01-04)" in note]
    # it leaves at the close that was known, not at that of the session in which it trades again
    assert over.fills.filter(reason="delisted")["price"].to_list() == [10.0]
