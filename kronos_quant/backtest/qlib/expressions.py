"""Price limits as expressions of Qlib's, one for purchases and one for sales, as pyqlib computes them.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kronos_quant.arrays import BoolArray
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.qlib.directory import for_pyqlib
from kronos_quant.errors import ConfigError


def expression_limits(directory: Path, panel: Panel, pair: tuple[str, str]) -> tuple[BoolArray, BoolArray]:
    """(b1[T, N], b1[T, N]): whether expressions forbid to buy and to sell, as pyqlib computes them; NaN forbids.

    Raises ConfigError where pyqlib cannot compute one. The first session trades nothing.
    """
    with for_pyqlib(directory) as place, quiet():
        import qlib
        from qlib.config import REG_CN
        from qlib.data import D

        qlib.init(provider_uri=str(place), region=REG_CN, kernels=1, logging_level=logging.CRITICAL)
        try:
            frame = D.features(
                list(panel.symbols), list(dict.fromkeys(pair)), str(panel.dates[1]), str(panel.dates[-1]), freq="day"
            )
        # whatever stops Qlib, the expression is what it was told
        except Exception as error:
            raise ConfigError(
                f"price_limit: pyqlib cannot compute {pair[0]!r} and {pair[1]!r}: {type(error).__name__}: {error}"
            ) from error
    frame.columns = list(dict.fromkeys(pair))
    days = np.array(panel.dates[1:], dtype="datetime64[us]")
    buy, sell = (
        frame[text].unstack("instrument").reindex(index=days, columns=list(panel.symbols)).to_numpy(dtype=np.float64)
        for text in pair
    )
    first = np.ones((1, len(panel.symbols)), dtype=np.bool_)
    return np.vstack([first, buy != 0]), np.vstack([first, sell != 0])  # NaN is not 0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What Qlib and its parts print, warn and log is dropped."""
    root = logging.getLogger("qlib")
    level = root.level
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
