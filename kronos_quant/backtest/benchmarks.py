"""What a benchmark leaves out: beside a price index, a portfolio with dividends looks better than it is."""

from __future__ import annotations

import numpy as np

from kronos_quant.backtest.dividends import FACTOR_MOVES
from kronos_quant.backtest.panel import Panel
from kronos_quant.market.symbols import is_price_index, is_total_return
from kronos_quant.panel.matrix import forward_fill

PRICE_INDEX, TOTAL_RETURN = "price index", "total-return index"


def benchmark_kind(benchmark: str | None) -> str | None:
    """Whether an index has dividends, by its symbol; None where that is not known.

    >>> benchmark_kind("SH000300"), benchmark_kind("H00300.CSI"), benchmark_kind("MADE")
    ('price index', 'total-return index', None)
    """
    if benchmark is None or not (is_price_index(benchmark) or is_total_return(benchmark)):
        return None
    return PRICE_INDEX if is_price_index(benchmark) else TOTAL_RETURN


def named_benchmark(benchmark: str | None) -> str | None:
    """The symbol with its kind, as reports name it."""
    kind = benchmark_kind(benchmark)
    return benchmark if kind is None else f"{benchmark} ({kind})"


def price_index_caveat(benchmark: str | None, panel: Panel) -> str:
    """What belongs beside every excess over a price index, where the portfolio has dividends; "" where nothing does."""
    if benchmark_kind(benchmark) != PRICE_INDEX or not has_dividends(panel):
        return ""
    return f"{benchmark} is a price index: without dividends, which raises the excess."


def has_dividends(panel: Panel) -> bool:
    """Whether any symbol of a panel has dividends, by its factor or in the table."""
    factor = forward_fill(panel.factor)
    with np.errstate(invalid="ignore"):
        if (np.abs(factor[1:] / factor[:-1] - 1) > FACTOR_MOVES).any():
            return True
    known = panel.dividends
    if known is None:
        return False
    inside = known["ex_date"].is_between(panel.dates[0], panel.dates[-1])
    return bool((inside & known["symbol"].is_in(list(panel.symbols))).any())
