"""Back-test: a strategy, bars and scores -> fills, an account, a BacktestResult.

The names load on first use, so that reading a strategy file loads neither numba nor vectorbt. The package itself can be
called: `kronos_quant.backtest(bars, scores, topk=50)` is `backtest_frames`.

>>> import datetime, polars as pl, kronos_quant as kq
>>> days = pl.date_range(datetime.date(2025, 6, 2), datetime.date(2025, 6, 6), eager=True)
>>> prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
>>> bars = pl.DataFrame({"date": days, "symbol": "AAA", **prices, "volume": 1e6})
>>> result = kq.backtest(bars, bars.select("date", "symbol", score="close"), topk=1, n_drop=0)
>>> result.fills["side"].to_list()
['buy']
"""

import sys
from types import ModuleType
from typing import Any

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


class _CallablePackage(ModuleType):
    """A package that is also the function of its name."""

    def __call__(self, *tables: Any, **settings: Any) -> Any:
        """`backtest_frames`."""
        return self.backtest_frames(*tables, **settings)


sys.modules[__name__].__class__ = _CallablePackage
