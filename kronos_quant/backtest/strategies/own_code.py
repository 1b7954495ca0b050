"""A user's own strategy: a Python file with a function `decide`, loaded by its place, only where that was allowed."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from kronos_quant.backtest.strategies.protocol import Decide, View, Weights
from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.own_code import load_function, raised


def load_decide(path: Path) -> Decide:
    """The function `decide` of a Python file; what it raises names the file's own line.

    What the file prints goes to stderr: stdout is the command's own.
    Raises ConfigError for a file that is not there, cannot be run, or has no such function.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file of Python code")
    with contextlib.redirect_stdout(sys.stderr):
        function = load_function(path, "decide", "view")

    def decide(view: View) -> Weights | None:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                weights: Weights | None = function(view)
        except (Exception, SystemExit) as error:
            raise KronosQuantError(f"{raised(path, error)} (deciding on {view.moment})") from error
        return weights

    return decide
