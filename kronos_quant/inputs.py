"""What a user of the Python functions may give: one conversion for each kind of input, used by every public function.

| kind    | accepted                                              | becomes          |
|---------|-------------------------------------------------------|------------------|
| date    | `date`, `datetime` at midnight, "2025-06-05"          | `date`           |
| symbols | one symbol or any collection of them                  | `list[str]`      |
| table   | Polars (eager or lazy), pandas, Arrow                 | `pl.DataFrame`   |
| path    | `Path` or text, `~` allowed                           | `Path`           |
| name    | letters, digits, dots, dashes and underscores         | `str`            |
| text    | text that is not empty                                | `str`            |
| count   | a whole number, numpy's too, up to a bound            | `int`            |
| seed    | a whole number from 0 to 2^63 - 1                     | `int`            |
| flag    | True or False, numpy's too; no text, no number        | `bool`           |

Anything else raises ConfigError (a wrong argument) or DataError (a wrong table), never an error of a library.
"""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias, Union

from kronos_quant.bounds import LARGEST_SEED, MOST_STEPS
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.foreign_tables import check_bounds

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

DateLike: TypeAlias = date | str
PathLike: TypeAlias = str | Path
Symbols: TypeAlias = str | Iterable[str]
Table: TypeAlias = Union["pl.DataFrame", "pl.LazyFrame", "pd.DataFrame", "pa.Table"]

LONGEST_PATH, LONGEST_PART = 4_000, 255
"""Characters of a path, and bytes of one of its names: file systems take no longer ones."""

WINDOWS_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10)}
"""Names that are no files on Windows, whatever their ending."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

LONGEST_NAME = 64
"""Characters of a name that an error shows whole."""

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def as_date(value: DateLike | None, name: str) -> date | None:
    """A date given as a date or as ISO text; None stays None. name : of the argument, for the error.

    Raises ConfigError.

    >>> as_date("2025-06-05", "start")
    datetime.date(2025, 6, 5)
    """
    if value is None:
        return None
    given = value
    # numpy's and pandas' stamps have these two; pandas' NaT is a datetime that is not equal to itself
    try:
        if hasattr(value, "to_pydatetime"):
            value = value.to_pydatetime()
        elif type(value).__module__ == "numpy" and hasattr(value, "astype"):
            value = value.astype("datetime64[us]").item()
    except ValueError:
        pass
    if isinstance(value, datetime):
        if value == value and value.time() == time() and value.tzinfo is None:
            return value.date()
    elif isinstance(value, date):
        return value
    elif isinstance(value, str) and _ISO_DATE.fullmatch(value.strip()):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise ConfigError(f"{name}: expected a date such as 2025-06-05, found {short_repr(given)}")


def as_symbols(value: Symbols | None, name: str = "symbols") -> list[str] | None:
    """One symbol or several, as a list without repetitions; None (all) stays None. Raises ConfigError.

    >>> as_symbols("SH600000")
    ['SH600000']
    """
    if value is None:
        return None
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise ConfigError(f"{name}: expected a symbol or a list of symbols, found {short_repr(value)}")
    symbols = list(given)
    wrong = next((symbol for symbol in symbols if not isinstance(symbol, str) or not symbol.strip()), None)
    if wrong is not None or not symbols:
        found = short_repr(wrong) if symbols else "an empty list"
        raise ConfigError(f"{name}: expected a symbol or a list of symbols, found {found}")
    return list(dict.fromkeys(symbols))


def as_count(value: Any, name: str, least: int = 1, most: int = MOST_STEPS) -> int:
    """A whole number, numpy's too.

    Parameters
    ----------
    value : what was given
    name : of the argument, for the error
    least, most : the bounds, both allowed

    Raises
    ------
    ConfigError
        For anything else.

    >>> as_count(5, "horizon")
    5
    """
    is_count = isinstance(value, SupportsIndex) and not isinstance(value, bool) and operator.index(value) >= least
    if is_count and operator.index(value) <= most:
        return operator.index(value)
    expected = f"at most {most:,}" if is_count else f"a whole number of at least {least}"
    raise ConfigError(f"{name}: expected {expected}, found {short_repr(value)}")


def as_number(value: Any, name: str, accepts: Callable[[float], bool], expected: str) -> float:
    """A finite number, numpy's too, that `accepts` returns true for. expected : in words. Raises ConfigError.

    >>> as_number(2, "factor", lambda factor: factor > 0, "a number above 0")
    2.0
    """
    if not isinstance(value, bool) and isinstance(value, Real):
        try:
            number = float(value)
        except OverflowError:  # a whole number of 400 digits
            number = math.inf
        if math.isfinite(number) and accepts(number):
            return number
    raise ConfigError(f"{name}: expected {expected}, found {short_repr(value)}")


def as_seed(value: Any, name: str = "seed") -> int:
    """The seed of random numbers: a whole number of at least 0. Raises ConfigError.

    >>> as_seed(5)
    5
    """
    return as_count(value, name, least=0, most=LARGEST_SEED)


def as_flag(value: Any, name: str) -> bool:
    """True or False: text such as "no" and numbers would count as one of them unseen. Raises ConfigError.

    >>> as_flag(True, "compute")
    True
    """
    if isinstance(value, bool) or (type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_")):
        return bool(value)
    raise ConfigError(f"{name}: expected True or False, found {short_repr(value)}")


def as_text(value: Any, name: str) -> str:
    """A text that is not empty. Raises ConfigError."""
    if isinstance(value, str) and value.strip():
        return value
    raise ConfigError(f"{name}: expected a text, found {short_repr(value)}")


def as_texts(value: Any, name: str) -> list[str]:
    """One text or several. Raises ConfigError.

    >>> as_texts("mine", "against"), as_texts((), "against")
    (['mine'], [])
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [as_text(value, name)]
    return [as_text(one, name) for one in value]


def as_settings(value: Mapping[str, Any] | None) -> dict[str, Any]:
    """Settings of kq.yaml by their dotted names, given so or by section. Raises ConfigError for other forms.

    >>> as_settings({"train": {"seed": 1}, "market.universe": "csi300"})
    {'train.seed': 1, 'market.universe': 'csi300'}
    """
    found: dict[str, Any] = {}
    given = {} if value is None else value
    for name, one in given.items() if isinstance(given, Mapping) else ():
        found |= {f"{name}.{field}": part for field, part in one.items()} if isinstance(one, Mapping) else {name: one}
    if not isinstance(given, Mapping) or any(len(str(name).split(".")) != 2 for name in found):
        raise ConfigError(f'settings: expected a mapping such as {{"train.seed": 1}}, found {short_repr(value)}')
    return found


def as_path(value: PathLike, name: str) -> Path:
    """A path given as a Path or as text, with `~` expanded. Raises ConfigError."""
    if isinstance(value, str | Path) and str(value).strip() and "\0" not in str(value):
        try:
            path = Path(value).expanduser()
        except RuntimeError:  # ~name of nobody
            path = Path(value)
        if len(str(path)) <= LONGEST_PATH and all(_length(part) <= LONGEST_PART for part in path.parts):
            return path
    raise ConfigError(f"{name}: expected a path, found {short_repr(value)}")


def _length(part: str) -> int:
    """Bytes of a name; more than any may have where it is not UTF-8, which DuckDB and Arrow do not open."""
    try:
        return len(part.encode())
    except UnicodeEncodeError:
        return LONGEST_PART + 1


def as_name(value: Any, name: str) -> str:
    """A name that becomes a file's or a folder's, on every system. Raises ConfigError before anything is written.

    Letters, digits, dots, dashes and underscores, at most LONGEST_NAME, and none that Windows keeps for devices.

    >>> as_name("my-signals.v2", "--name")
    'my-signals.v2'
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value.endswith("."):
        expected = f"letters, digits, dots, dashes and underscores, at most {LONGEST_NAME}"
        raise ConfigError(f"{name}: expected {expected}, found {short_repr(value)}")
    if value.partition(".")[0].upper() in WINDOWS_DEVICES:
        raise ConfigError(f"{name}: expected a name that Windows does not keep for a device, found {value!r}")
    return value


def as_form(form: Any, out: Path, forms: Mapping[str, str]) -> str:
    """The format in which a table is written to a file: the given one, else that of the file's ending. ConfigError.

    forms : format -> ending of its files, "" for a folder's; the first is the default of a name without an ending. A
    name with the ending of another format is refused, for every reader would take the file for what it is not.

    >>> as_form(None, Path("bars.csv"), {"parquet": ".parquet", "csv": ".csv"})
    'csv'
    """
    ending = out.suffix.lower()
    fitting = [one for one, its in forms.items() if its == ending]
    if form is not None and form not in forms:
        raise ConfigError(f"format: expected {', '.join(forms)}, found {short_repr(form)}")
    if form is None and ending and not fitting:
        endings = " or ".join(dict.fromkeys(filter(None, forms.values())))
        raise ConfigError(f"{out}: expected a name that ends in {endings}, or a format, found {ending!r}")
    if form is not None and ending and fitting and form not in fitting:
        raise ConfigError(
            f"{out}: the ending is that of the format {fitting[0]}, found the format {form}",
            hint="Choose another name.",
        )
    return str(form or (fitting[0] if ending else next(iter(forms))))


def as_new_page(value: PathLike, name: str) -> Path:
    """An HTML page to write, in a folder that exists. Raises ConfigError before anything is written.

    An existing page is replaced; the ending keeps any other file from it.
    """
    path = as_path(value, name)
    if path.is_dir():
        raise ConfigError(f"{name}: expected a file to write, found the folder {path}")
    if path.suffix.lower() not in (".html", ".htm") or (path.exists() and not path.is_file()):
        raise ConfigError(f"{name}: expected a file to write that ends in .html, found {path}")
    if not path.parent.is_dir():
        raise ConfigError(f"{name}: no such folder: {path.parent}")
    return path


def short_repr(value: Any) -> str:
    """A value as it stands in an error: one line, and not long.

    >>> short_repr("a\\nb"), short_repr(10**5000)
    ("'a\\\\nb'", 'a whole number of more than 4,300 digits')
    """
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes no longer ones
        return f"a whole number of more than {sys.get_int_max_str_digits():,} digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def short_name(text: str) -> str:
    """A name as it stands in an error: as it is, or quoted and cut where it is long or cannot be printed.

    >>> short_name("topk"), short_name("a\\nb")
    ('topk', "'a\\\\nb'")
    """
    return text if text.isprintable() and len(text) <= LONGEST_NAME else short_repr(text)


def as_frame(table: Any, name: str) -> pl.DataFrame:
    """A table of Polars, pandas or Arrow as a Polars frame.

    A pandas index becomes columns, unless it only counts rows. An unnamed one becomes the column `time`.
    Raises DataError, naming the argument, for anything else.
    """
    frame = _as_polars(table, name)
    check_bounds(name, frame)
    return frame


def _as_polars(table: Any, name: str) -> pl.DataFrame:
    import polars as pl

    if isinstance(table, pl.DataFrame):
        return table
    library = type(table).__module__.partition(".")[0]
    try:
        if isinstance(table, pl.LazyFrame):
            return table.collect()
        if library == "pandas" and hasattr(table, "columns"):
            return _from_pandas(table)
        if library == "pyarrow":
            converted = pl.from_arrow(table)
            if isinstance(converted, pl.DataFrame):
                return converted
    except (ValueError, TypeError, NotImplementedError, pl.exceptions.PolarsError) as error:  # and Arrow's
        reason = str(error).partition("\n")[0]
        raise DataError(f"{name}: not a table of plain columns: {reason}") from error
    raise DataError(f"{name}: expected a table of Polars, pandas or Arrow, found {type(table).__name__}")


def _from_pandas(table: pd.DataFrame) -> pl.DataFrame:
    import polars as pl

    index = table.index
    unnamed = index.nlevels == 1 and index.name is None
    if unnamed and index.dtype.kind in "iu":
        return pl.from_pandas(table.reset_index(drop=True))
    return pl.from_pandas((table.rename_axis("time") if unnamed else table).reset_index())
