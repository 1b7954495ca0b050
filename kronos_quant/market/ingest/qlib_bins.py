"""One file of a Qlib directory: `<symbol>/<field>.<freq>.bin`, read and judged.

Little-endian float32: the index of the first value in the calendar, then one value a session, NaN where there is none.
Nothing in the format tells a damaged file, so the first number and the length are held against the calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kronos_quant.errors import DataError

_WORD = 4
_LARGEST_PLAUSIBLE = 1e16
"""No price, volume or amount of a bar reaches this; a float64 reading beyond it is none."""


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one field over consecutive sessions."""

    start: int
    """Index of the first value in the calendar."""
    values: npt.NDArray[np.float32]

    @property
    def end(self) -> int:
        """Index after the last value."""
        return self.start + len(self.values)


def read_bin(path: Path, calendar_length: int) -> Series:
    """The values of a .bin file.

    Raises DataError, with what was expected and found, for an empty or torn file, one that holds no value, float64
    content, or an index or length that does not fit the calendar.
    """
    content = path.read_bytes()
    if len(content) % _WORD:
        raise DataError(f"{path}: expected a multiple of {_WORD} bytes (float32), found {len(content)}: truncated?")
    if len(content) <= _WORD:
        raise DataError(f"{path}: expected a start index and values, found {len(content)} bytes")
    words = np.frombuffer(content, "<f4")
    if _is_float64(content, calendar_length):
        raise DataError(f"{path}: expected float32 values, found float64 ones: write them as '<f4'")
    start = float(words[0])
    if not (start.is_integer() and 0 <= start < calendar_length):
        raise DataError(
            f"{path}: expected a start index from 0 to {calendar_length - 1} in the first 4 bytes, found {start:g}"
        )
    series = Series(int(start), words[1:])
    if series.end > calendar_length:
        raise DataError(
            f"{path}: expected at most {calendar_length - series.start} values after session {series.start} of the "
            f"calendar, found {len(series.values)}"
        )
    return series


def _is_float64(content: bytes, calendar_length: int) -> bool:
    """Whether a file makes sense as float64 and none as float32.

    The low halves of doubles read as float32 are noise (half of it negative) or, for short numbers, all zero; fields
    of a bar are never negative.
    """
    if len(content) % (2 * _WORD):
        return False
    doubles = np.frombuffer(content, "<f8")
    start, values = float(doubles[0]), doubles[1:]
    if not (start.is_integer() and start >= 0 and start + len(values) <= calendar_length and len(values)):
        return False
    known = values[~np.isnan(values)]
    if not len(known) or known.min() < 0 or known.max() > _LARGEST_PLAUSIBLE:
        return False
    words = np.frombuffer(content, "<f4")[2:]
    low, high = words[0::2], words[1::2]
    return bool((words < 0).any() or (not low.any() and high.any()) or 1 + len(words) > calendar_length)
