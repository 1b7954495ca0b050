"""A user's own score: a Python file with a function `score`, loaded by its place, only where that was allowed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.files import file_digest
from kronos_quant.own_code import load_function, raised


@dataclass(frozen=True, slots=True)
class OwnScore:
    """A file of Python code and the digest of its content, which is part of the key of what it computes."""

    path: Path
    digest: str


def find_own_score(path: Path) -> OwnScore:
    """The file, read but not run. Raises ConfigError where it is not there."""
    if not path.is_file():
        raise ConfigError(f"{path}: own_score: no such file of Python code")
    return OwnScore(path, file_digest(path))


def check_allowed(own: OwnScore | None, *, allowed: bool) -> None:
    """Raise ConfigError where code would be run that nobody allowed."""
    if own is not None and not allowed:
        raise ConfigError(
            f"{own.path}: the recipe's own_score is Python code, which may do anything on this machine",
            hint="read it; to run it all the same: kq signal --allow-code",
        )


def load_own_score(own: OwnScore) -> Callable[[FloatArray], FloatArray]:
    """The file's function: returns float64[B, S, H] over the base -> a score each, float64[B]; NaN is no opinion.

    It is given a copy of the returns, to do with as it likes. What the file prints goes to stderr: stdout is the
    command's own.
    Raises ConfigError for a file that cannot be run or has no such function; the function raises KronosQuantError,
    naming the file's line, for what its code raises and for a result of another shape.
    """
    with contextlib.redirect_stdout(sys.stderr):
        function = load_function(own.path, "score", "returns")

    def score(returns: FloatArray) -> FloatArray:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                found = np.asarray(function(returns.copy()), dtype=np.float64)
        except (Exception, SystemExit) as error:
            raise KronosQuantError(raised(own.path, error)) from error
        if found.shape != returns.shape[:1]:
            raise KronosQuantError(f"{own.path}: score: expected {len(returns)} numbers, found shape {found.shape}")
        return np.where(np.isfinite(found), found, np.nan)

    return score
