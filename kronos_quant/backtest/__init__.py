"""Back-test: a strategy, bars and scores -> fills, an account, a BacktestResult.

The names load on first use, so that reading a strategy file loads neither numba nor vectorbt. The package itself can be
called, and documents itself, as `backtest_frames`: `kronos_quant.backtest(bars, scores, topk=50)`.
"""

import inspect
import sys
from types import ModuleType
from typing import Any

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


class _CallablePackage(ModuleType):
    """A package that is also the function of its name, and has that function's signature and documentation."""

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.backtest_frames)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        summary, _, rest = (inspect.getdoc(self.backtest_frames) or "").partition("\n\n")
        return f"{summary}\n\nbacktest{self.__signature__}\n\n{rest}"

    def __call__(self, *tables: Any, **settings: Any) -> Any:
        """`backtest_frames`."""
        return self.backtest_frames(*tables, **settings)


sys.modules[__name__].__class__ = _CallablePackage
