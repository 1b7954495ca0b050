"""A function of a user's own Python file, loaded by its place and not through sys.path; whoever calls asked first."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kronos_quant.errors import ConfigError


def load_function(path: Path, name: str, argument: str) -> Callable[..., Any]:
    """Run the file and return its function `name`(`argument`).

    Raises ConfigError for a file that cannot be run, naming its own line, or that has no such function.
    """
    spec = importlib.util.spec_from_file_location(f"kq_{name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    # a stranger's code may raise anything and end anywhere, and its line is what its author needs
    except (Exception, SystemExit) as error:
        raise ConfigError(raised(path, error)) from error
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"{path}: expected a function {name}({argument}), found none")
    return function


def raised(path: Path, error: BaseException) -> str:
    """What the file's code raised, and in which of its lines: `file.py:12: ValueError: why`."""
    return f"{path}{_line_of(path, error)}: {type(error).__name__}: {error}"


def _line_of(path: Path, error: BaseException) -> str:
    """`:12`, the innermost line of the file in an error's trace; of a syntax error, where it is."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""
