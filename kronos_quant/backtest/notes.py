"""Notes of a back-test: what its reader has to know, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.codes import RISKS
from kronos_quant.backtest.deviations import UNKNOWN_VOLUME, deviations_of, few_symbols, traded_fills
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import counted, listed


def notes_of(strategy: Strategy, panel: Panel, orders: pl.DataFrame, metrics: Mapping[str, float]) -> tuple[str, ...]:
    """What was unusual about a run, the gravest first; empty where nothing was.

    Parameters
    ----------
    strategy, panel
        What was traded, and on which symbols and sessions.
    orders
        `accounts.order_table`.
    metrics
        The key figures of the result.

    Examples
    --------
    >>> rejections_of(pl.DataFrame({"status": ["rejected"] * 2, "reason": ["limit up"] * 2}))
    {'limit up': 2}
    """
    fills = traded_fills(strategy, panel, orders)
    return (
        *no_trade(orders, panel),
        *few_symbols(strategy, panel),
        *delisted(strategy, orders),
        *scores_missing(panel),
        *own_volume(strategy, orders),
        *deviations_of(strategy, panel, orders, fills, metrics),
        *no_impact(strategy, fills),
        *sold_short(strategy, orders),
        *unpriced(panel),
    )


def rejections_of(orders: pl.DataFrame) -> dict[str, int]:
    """Orders that were rejected or cut, by reason, the most frequent first."""
    short = orders.filter(pl.col("status") != "filled")
    counts = short.group_by("reason").len().sort(["len", "reason"], descending=[True, False])
    return {reason: int(count) for reason, count in counts.iter_rows()}


def risk_orders(orders: pl.DataFrame) -> dict[str, int]:
    """Orders that each rule of the section `risk` made or cut, the most frequent first."""
    rules = [word for word in RISKS.values() if word]
    words = orders.select(pl.col("reason").str.split("; ").list.explode().alias("rule"))
    counts = words.filter(pl.col("rule").is_in(rules)).group_by("rule").len()
    return {rule: int(count) for rule, count in counts.sort(["len", "rule"], descending=[True, False]).iter_rows()}


def halts(halted: Sequence[date], strategy: Strategy) -> tuple[str, ...]:
    """A note where a drawdown halt stopped trading. halted : the sessions in which it did."""
    if not halted:
        return ()
    after = strategy.risk.resume_after
    then = "trading never resumed" if after is None else f"trading resumed {counted(after, 'session')} later"
    return (
        f"DRAWDOWN HALT: the account closed {strategy.risk.drawdown_halt:.1%} below its highest close; all holdings "
        f"were sold from {halted[0]} on; {then} ({counted(len(halted), 'session')} without trading decisions).",
    )


def no_trade(orders: pl.DataFrame, panel: Panel) -> Iterator[str]:
    """A warning: a run without any trade looks like a flat, safe strategy."""
    if (orders["status"] != "rejected").any():
        return
    if not orders.is_empty():
        why = ", ".join(f"{reason} ({count:,})" for reason, count in rejections_of(orders).items())
        yield f"NO TRADE WAS MADE: all {len(orders):,} orders were rejected: {why}."
    elif not np.isnan(panel.score[:-1]).all():
        yield "NO TRADE WAS MADE: the strategy placed no order although there were scores."
    else:
        step = "bar" if panel.times else "session"
        yield f"NO TRADE WAS MADE: no {step} of the period had a score from the previous {step}."


def account_lost(account: FloatArray, panel: Panel) -> tuple[str, ...]:
    """A warning where nothing was left. account : f64[T]"""
    lost = np.flatnonzero(account <= 0)
    if not len(lost):
        return ()
    return (f"ACCOUNT WIPED OUT on {panel.dates[lost[0]]}: losses on short positions and fees exceeded the equity.",)


def scores_missing(panel: Panel) -> Iterator[str]:
    """Sessions that traded nothing because no symbol had a score."""
    scored = {day for day, score in zip(panel.dates, panel.score, strict=True) if not np.isnan(score).all()}
    # the first session of an intraday market is there for its closes, the last row of any trades nowhere
    needed = panel.sessions[1:] if panel.times else panel.sessions[:-1]
    empty = [day for day in needed if day not in scored]
    if empty:
        sessions = len(panel.sessions) - 1
        yield f"{len(empty)} of {sessions} sessions have no score at all ({listed(empty)}): nothing is traded on them."


def unpriced(panel: Panel) -> Iterator[str]:
    """Symbols with scores and no bars."""
    if panel.unpriced:
        yield f"Scores without bars in the period, never traded: {listed(panel.unpriced)}."


def delisted(strategy: Strategy, orders: pl.DataFrame) -> Iterator[str]:
    """Holdings whose listing is over."""
    left = orders.filter(pl.col("reason") == "delisted")
    if left.is_empty():
        return
    names = left["symbol"].unique().sort()
    count, are = ("counts", "is") if len(left) == 1 else ("count", "are")
    yield (
        f"{counted(len(left), 'holding')} {count} as delisted ({listed(names)}) and {are} treated as sold at "
        f"the last close (delisting_return {strategy.delisting_return:+.0%}), no costs."
    )


def own_volume(strategy: Strategy, orders: pl.DataFrame) -> Iterator[str]:
    """Caps and impact that refer to a volume which was unknown when the order was placed."""
    liquidity = strategy.liquidity
    if liquidity.volume == "bar" and (liquidity.participation is not None or liquidity.impact > 0):
        fills = int((orders["status"] != "rejected").sum())
        yield (
            f"LOOK-AHEAD: {counted(fills, 'fill')} use the volume of the bar they trade in, which is unknown when the "
            "order is placed (liquidity.volume: bar)."
        )


def no_impact(strategy: Strategy, fills: pl.DataFrame) -> Iterator[str]:
    """Fills without market impact although their volume was known: the volatility was not, or was 0."""
    if strategy.liquidity.impact == 0:
        return
    free = fills.filter(pl.col("impact") == 0, ~pl.col(UNKNOWN_VOLUME))
    if len(free):
        yield (
            f"{len(free):,} of {len(fills):,} fills had no market impact: too few earlier bars, or constant prices "
            f"({listed(free['symbol'].unique().sort())})."
        )


def sold_short(strategy: Strategy, orders: pl.DataFrame) -> Iterator[str]:
    """Short sales, which not every market allows."""
    if strategy.sells_short:
        sales = orders.filter(pl.col("side") == "sell", pl.col("status") != "rejected")
        yield (
            f"ASSUMPTION: every share can be borrowed and sold short, at a fee of {strategy.costs.borrow:.1%} per year "
            f"({counted(len(sales), 'sale')}, {counted(sales['symbol'].n_unique(), 'symbol')})."
        )
