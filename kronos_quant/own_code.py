"""A function of a user's own Python file: loaded by its place and not through sys.path, run only where that is allowed.

What the file prints goes to stderr, for stdout is the command's own, and what it raises names the file's own line.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.files import file_digest


@dataclass(frozen=True, slots=True)
class OwnCode:
    """A file of Python code and the digest of its content, which is part of the key of what it computes."""

    path: Path
    digest: str


def find_code(path: Path, setting: str) -> OwnCode:
    """The file that a setting names, read but not run. Raises ConfigError where it is not there."""
    if not path.is_file():
        raise ConfigError(f"{path}: {setting}: no such file of Python code")
    return OwnCode(path, file_digest(path))


def check_allowed(path: Path, what: str, *, allowed: bool) -> None:
    """Raise ConfigError where code would run that is missing or was not allowed.

    what : whose it is, such as "the strategy runs"
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file of Python code")
    if not allowed:
        raise ConfigError(
            f"{path}: {what} Python code, which may do anything on this machine",
            hint="Read the file before you run it with --allow-code.",
        )


def load_function(path: Path, name: str, argument: str, where: Callable[..., str] = lambda _: "") -> Callable[..., Any]:
    """Run a file and return its function `name`(`argument`).

    Parameters
    ----------
    name, argument : of the function, for errors
    where : from the argument of a call, what its error says in addition

    Raises
    ------
    ConfigError
        For a file that cannot be run, naming its own line, or that has no such function. The function itself raises
        KronosQuantError for whatever its code raises.
    """
    spec = importlib.util.spec_from_file_location(f"kq_{name}_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"{path}: no such file of Python code")
    module = importlib.util.module_from_spec(spec)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    # a user's code may raise anything and end anywhere; its author needs the line
    except (Exception, SystemExit) as error:
        raise ConfigError(raised(path, error)) from error
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"{path}: expected a function {name}({argument}), found none")

    def call(value: Any) -> Any:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return function(value)
        except (Exception, SystemExit) as error:
            raise KronosQuantError(f"{raised(path, error)}{where(value)}") from error

    return call


def raised(path: Path, error: BaseException) -> str:
    """What the file's code raised, and in which of its lines: `file.py:12: ValueError: why`."""
    return f"{path}{_line_of(path, error)}: {type(error).__name__}: {error}"


def _line_of(path: Path, error: BaseException) -> str:
    """`:12`, the innermost line of the file in an error's trace; of a syntax error, where it is."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""
