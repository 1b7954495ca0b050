"""A user's own strategy: a Python file with a function `decide`, loaded by its place, only where that was allowed."""

from __future__ import annotations

import importlib.util
import traceback
from pathlib import Path

from kronos_quant.backtest.strategies.protocol import Decide, View, Weights
from kronos_quant.errors import ConfigError, KronosQuantError


def load_decide(path: Path) -> Decide:
    """The function `decide` of a Python file; what it raises names the file's own line.

    Raises ConfigError for a file that is not there, cannot be run, or has no such function.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file of Python code")
    spec = importlib.util.spec_from_file_location(f"kq_strategy_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    # a stranger's code may raise anything, and its line is what its author needs
    except Exception as error:
        raise ConfigError(f"{path}{line_of(path, error)}: {type(error).__name__}: {error}") from error
    function = getattr(module, "decide", None)
    if not callable(function):
        raise ConfigError(f"{path}: expected a function decide(view), found none")

    def decide(view: View) -> Weights | None:
        try:
            weights: Weights | None = function(view)
        except Exception as error:
            raise KronosQuantError(
                f"{path}{line_of(path, error)}: {type(error).__name__}: {error} (deciding on {view.date})"
            ) from error
        return weights

    return decide


def line_of(path: Path, error: BaseException) -> str:
    """`:12`, the innermost line of the file in an error's trace; of a syntax error, where it is."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""
