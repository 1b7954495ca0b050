"""How an account differs from what its strategy describes: orders that did not fill, cash, holdings, and selection.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from kronos_quant.arrays import BoolArray
from kronos_quant.backtest.liquidity import volumes
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import counted, listed

LOST_SHARE = 0.03
"""Share of the orders that were rejected or cut above which it is told."""

IDLE_CASH = 0.1
"""Mean cash above the planned, as a share of the account, from which on it is told."""

OTHER_COUNT = 0.1
"""Difference of the symbols held from topk, as a fraction of it, from which on it is told."""

NEAR_UNIVERSE = 0.5
"""Share of the scored symbols above which a portfolio is close to holding all of them."""

UNKNOWN_VOLUME = "unknown_volume"
"""Column of `traded_fills`."""

TOPK_RULES = ("topk_dropout", "topk_rebalance", "buy_and_hold")


def deviations_of(
    strategy: Strategy, panel: Panel, orders: pl.DataFrame, fills: pl.DataFrame, metrics: Mapping[str, float]
) -> Iterator[str]:
    """A sentence for each difference that is large enough to change a result.

    Parameters
    ----------
    strategy, panel
        What was traded, and on which symbols and sessions.
    orders, fills
        `accounts.order_table`, and `traded_fills` of it.
    metrics
        The key figures of the result.

    Examples
    --------
    >>> from kronos_quant.backtest.strategy import Strategy
    >>> list(idle_cash(Strategy(), {"mean_cash": 0.42}))
    ['Mean cash is 42.0% of the account; the strategy plans 5.0%.']
    """
    if not (orders["status"] != "rejected").any():
        return
    yield from orders_lost(orders)
    yield from idle_cash(strategy, metrics)
    yield from other_holdings(strategy, panel, metrics)
    yield from unknown_volumes(fills)


def orders_lost(orders: pl.DataFrame) -> Iterator[str]:
    """The share of the orders that were rejected or cut, by reason."""
    placed = orders.filter(pl.col("reason") != "delisted")
    lost = placed.filter(pl.col("status") != "filled")
    if len(lost) <= LOST_SHARE * len(placed):
        return
    counts = lost.group_by("reason").len().sort(["len", "reason"], descending=[True, False])
    reasons = ", ".join(f"{reason} {count / len(placed):.1%}" for reason, count in counts.iter_rows())
    cut = int((lost["status"] == "partial").sum())
    yield (
        f"{len(lost) / len(placed):.1%} of {len(placed):,} orders were not filled in full ({len(lost) - cut:,} "
        f"rejected, {cut:,} cut): {reasons}."
    )


def idle_cash(strategy: Strategy, metrics: Mapping[str, float]) -> Iterator[str]:
    """Cash that the strategy would have invested. A user's own function, and short sales, may plan any."""
    if strategy.strategy == "python" or strategy.sells_short:
        return
    invested = strategy.cash_fraction if strategy.strategy == "topk_dropout" else strategy.target_exposure
    if metrics["mean_cash"] - (1 - invested) > IDLE_CASH:
        yield f"Mean cash is {metrics['mean_cash']:.1%} of the account; the strategy plans {1 - invested:.1%}."


def other_holdings(strategy: Strategy, panel: Panel, metrics: Mapping[str, float]) -> Iterator[str]:
    """Fewer or more symbols held than topk."""
    wanted = min(strategy.topk, scored_symbols(panel))
    if strategy.strategy in TOPK_RULES and abs(metrics["mean_holdings"] - wanted) > OTHER_COUNT * wanted:
        yield f"{metrics['mean_holdings']:.1f} symbols are held on average; topk is {strategy.topk}."


def few_symbols(strategy: Strategy, panel: Panel) -> Iterator[str]:
    """A universe that topk takes whole, or nearly so, leaves little to choose."""
    scored = scored_symbols(panel)
    if strategy.strategy not in TOPK_RULES or not scored:
        return
    if strategy.topk >= scored:
        yield (
            f"NO SELECTION: topk is {strategy.topk}, but only {scored:,} of {len(panel.symbols):,} symbols have a "
            "score per session (median): all are held, so the scores select nothing."
        )
    elif strategy.topk > NEAR_UNIVERSE * scored:
        yield (
            f"topk is {strategy.topk} of {scored:,} symbols with a score per session (median): the portfolio is close "
            "to the universe, whatever the scores."
        )


def scored_symbols(panel: Panel) -> int:
    """How many symbols have a score, the median of the rows in which any has; 0 where none has."""
    counts = (~np.isnan(panel.score)).sum(axis=1)
    return int(np.median(counts[counts > 0])) if counts.any() else 0


def unknown_volumes(fills: pl.DataFrame) -> Iterator[str]:
    """Fills that neither participation nor impact applied to, for want of a volume. fills : of `traded_fills`"""
    unknown = fills.filter(UNKNOWN_VOLUME)
    if unknown.is_empty():
        return
    names = listed(unknown["symbol"].unique().sort())
    some = f"{len(unknown):,} of {len(fills):,} fills have no known volume"
    which = f"NO VOLUMES: none of {counted(len(fills), 'fill')} has a known volume"
    which = which if len(unknown) == len(fills) else some
    yield f"{which} ({names}): neither participation nor market impact applies to them."


def traded_fills(strategy: Strategy, panel: Panel, orders: pl.DataFrame) -> pl.DataFrame:
    """The orders that traded, with UNKNOWN_VOLUME: whether the volume that each was held against was unknown."""
    fills = orders.filter(pl.col("status") != "rejected", pl.col("reason") != "delisted")
    unknown = without_volume(strategy, panel, fills) if strategy.liquidity.by_size else np.zeros(len(fills), np.bool_)
    return fills.with_columns(pl.Series(UNKNOWN_VOLUME, unknown, dtype=pl.Boolean))


def without_volume(strategy: Strategy, panel: Panel, fills: pl.DataFrame) -> BoolArray:
    """b1[O]: whether the volume that an order is held against was unknown."""
    rows = np.array(panel.times or panel.dates, dtype="datetime64[us]")
    t = np.searchsorted(rows, fills["time" if panel.times else "date"].to_numpy().astype("datetime64[us]"))
    place = {symbol: i for i, symbol in enumerate(panel.symbols)}
    n = np.array([place[symbol] for symbol in fills["symbol"]], dtype=np.int64)
    return np.isinf(volumes(strategy.liquidity, panel)[t, n])
