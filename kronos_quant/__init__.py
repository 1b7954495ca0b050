"""kronos-quant: event-driven quant research and back-testing around the Kronos K-line model.

    import kronos_quant as kq

    ws = kq.open("my-research")                      # or kq.init(...): a folder with kq.yaml
    ws.ingest_csv("bars.csv", symbol="SH600000")     # every command is a method
    ws.backtest("topk").summary()

    kq.backtest(bars, scores, topk=50, n_drop=5)     # without a workspace: tables in, results out
    kq.forecast(bars, model="models/mine", horizon=10)
    kq.rank_ic(scores, bars, horizon=5)

Importing it is light: what a name needs is loaded when the name is first used.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kronos_quant.errors import CheckpointError, ConfigError, DataError, KronosQuantError

if TYPE_CHECKING:
    from kronos_quant.backtest.frames import backtest_frames as backtest
    from kronos_quant.backtest.result import BacktestResult
    from kronos_quant.backtest.strategy import Strategy
    from kronos_quant.evaluation.rank_ic import rank_ic_table as rank_ic
    from kronos_quant.evaluation.scorecard import Scorecard
    from kronos_quant.model.forecast import Forecast
    from kronos_quant.model.forecaster import Forecaster
    from kronos_quant.model.forecaster import forecast_bars as forecast
    from kronos_quant.signals import Signals
    from kronos_quant.workflows.workspace import Workspace
    from kronos_quant.workflows.workspace import create_workspace as init
    from kronos_quant.workflows.workspace import open_workspace as open  # noqa: A004

__version__ = "0.1.0"

__all__ = [
    "BacktestResult",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "Forecast",
    "Forecaster",
    "KronosQuantError",
    "Scorecard",
    "Signals",
    "Strategy",
    "Workspace",
    "__version__",
    "backtest",
    "forecast",
    "init",
    "open",
    "rank_ic",
]

_HOMES = {
    "BacktestResult": "backtest.result:BacktestResult",
    "Forecast": "model.forecast:Forecast",
    "Forecaster": "model.forecaster:Forecaster",
    "Scorecard": "evaluation.scorecard:Scorecard",
    "Signals": "signals:Signals",
    "Strategy": "backtest.strategy:Strategy",
    "Workspace": "workflows.workspace:Workspace",
    "backtest": "backtest",  # the package itself, which can be called: its name is taken once it is imported
    "forecast": "model.forecaster:forecast_bars",
    "init": "workflows.workspace:create_workspace",
    "open": "workflows.workspace:open_workspace",
    "rank_ic": "evaluation.rank_ic:rank_ic_table",
}

_READERS = {".numba_config.yaml": "numba.core.config", "matplotlibrc": "matplotlib"}
"""File of the current folder -> the module that reads it when it is imported."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, _, attribute = _HOMES[name].partition(":")
    module = importlib.import_module(f"{__name__}.{home}")
    return getattr(module, attribute) if attribute else module


def __dir__() -> list[str]:
    return __all__


def _ignore_local_settings() -> None:
    """Where files of settings lie in the current folder, import their readers while another one is the current.

    numba's file may name a folder of compiled code to run, matplotlib's a module to draw with.
    """
    readers = {name: module for name, module in _READERS.items() if os.path.lexists(name)}
    if not readers:
        return
    package, here = Path(__file__).parent, Path.cwd()
    os.chdir(package)
    try:
        for name, module in readers.items():
            loaded: Any = importlib.import_module(module)
            if hasattr(loaded, "_config_fname"):  # numba looks again whenever it compiles
                loaded._config_fname = str(package / name)
    finally:
        os.chdir(here)


_ignore_local_settings()  # before anything else of this package imports what reads them
