"""Every Parquet and CSV file that a command writes: what each column is, in columns.yaml, and the check of its writer.

In columns.yaml a column is `[dtype, unit, meaning]`, or a mapping with the fields of `Column`. Where `common` describes
a column under this name, only what differs is given. A name with <…> stands for any name of this form; such columns,
and those with `optional`, may be absent. Dtypes are those of Polars, or any; alternatives are separated by |.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from kronos_quant.errors import DataError, listed

PLACEHOLDER = re.compile(r"<[^<>]+>")
"""What stands for a part of a name that differs from case to case."""


class TableError(AssertionError):
    """A table that is to be written is not what columns.yaml says: a mistake in the program."""


class SchemaEntry(BaseModel):
    """The base of what the two YAML files hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(SchemaEntry):
    """A column of a file.

    null : when a value is missing ("never" where none is). values : of a column of codes, each with its meaning.
    optional : a sentence that says when the file has the column; "" where it always has.
    """

    name: str
    dtype: str
    unit: str = ""
    meaning: str
    null: str = "never"
    values: dict[str, str] = {}
    optional: str = ""

    @property
    def is_pattern(self) -> bool:
        """Whether the name stands for several columns."""
        return PLACEHOLDER.search(self.name) is not None

    def describes(self, name: str) -> bool:
        """Whether this is the column of that name.

        >>> Column(name="q<level>", dtype="Float64", meaning="quantile").describes("q05")
        True
        """
        return re.fullmatch(pattern_text(self.name, ".+"), name) is not None

    def accepts(self, dtype: pl.DataType) -> bool:
        """Whether values of this dtype may stand in the column."""
        return self.dtype == "any" or dtype_text(dtype) in self.dtype.split(" | ")


class FileKind(SchemaEntry):
    """A kind of file: its name, and where it lies in a workspace."""

    name: str
    file: str

    def holds(self, path: str) -> bool:
        """Whether a file of this path in the workspace is of this kind."""
        return re.fullmatch(pattern_text(self.file, "[^/]+"), path) is not None


class Table(FileKind):
    """A kind of Parquet or CSV file: what one row is, its key, its order and its columns."""

    row: str
    key: tuple[str, ...]
    order: tuple[str, ...] = ()
    columns: tuple[Column, ...]

    @model_validator(mode="before")
    @classmethod
    def _sorted_by_key(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"order": values["key"], **values}

    def column(self, name: str) -> Column | None:
        """The description of a column, None where there is none; a name of its own goes before a pattern."""
        found = [column for column in self.columns if column.describes(name)]
        return min(found, key=lambda column: column.is_pattern, default=None)

    def lacking(self, names: Iterable[str]) -> list[str]:
        """The columns that every such file has and that are not among the names."""
        required = [column.name for column in self.columns if not (column.optional or column.is_pattern)]
        return [name for name in required if name not in {*names}]

    def check(self, frame: pl.DataFrame | pl.Schema) -> None:
        """Raise TableError unless the frame's columns are those described, in any order, with their dtypes."""
        schema = frame if isinstance(frame, pl.Schema) else frame.schema
        for name in self.lacking(schema):
            raise TableError(f"{self.name}: column {name} is missing, found {', '.join(schema)}")
        for name, dtype in schema.items():
            described = self.column(name)
            if described is None:
                raise TableError(f"{self.name}: column {name} has no description in columns.yaml")
            if not described.accepts(dtype):
                raise TableError(f"{self.name}: column {name}: expected {described.dtype}, found {dtype_text(dtype)}")


def shared_columns(name: str) -> tuple[Column, ...]:
    """Columns that several kinds of files have, such as `key_figures`."""
    data = read_resource("columns.yaml")
    return tuple(Column.model_validate(one) for one in _columns(data["shared"][name], {}))


@cache
def tables() -> tuple[Table, ...]:
    """Every kind of Parquet and CSV file, in the order of columns.yaml."""
    data = read_resource("columns.yaml")
    common = {name: _fields(value) for name, value in data["common"].items()}
    shared = {name: _columns(columns, common) for name, columns in data["shared"].items()}
    return tuple(
        Table.model_validate(
            {"name": name}
            | {field: value for field, value in one.items() if field not in ("columns", "shares")}
            | {"columns": [*shared.get(one.get("shares"), ()), *_columns(one.get("columns", {}), common)]}
        )
        for name, one in data["tables"].items()
    )


def table(name: str) -> Table:
    """One kind of file by its name, such as `backtest.orders`.

    >>> table("backtest.returns").key
    ('date',)
    """
    return next(one for one in tables() if one.name == name)


def check_columns(path: Path, found: Iterable[str], kind: str, hint: str) -> None:
    """Raise DataError where a file that was written by a command lacks columns of its kind.

    Parameters
    ----------
    path
        The file.
    found
        Its columns.
    kind
        The name of its kind.
    hint
        What the error names as the next step.

    >>> check_columns(Path("sessions.day.parquet"), ["odd"], "snapshot.sessions", "kq doctor --repair")
    Traceback (most recent call last):
    kronos_quant.errors.DataError: sessions.day.parquet: expected the columns date, found odd
    """
    names = list(found)
    lacking = table(kind).lacking(names)
    if lacking:
        raise DataError(f"{path}: expected the columns {listed(lacking)}, found {listed(names)}", hint=hint)


def check_table(name: str, frame: pl.DataFrame) -> None:
    """Raise TableError unless a frame that is to be written is what columns.yaml says: see `Table.check`."""
    table(name).check(frame)


def table_at(path: str) -> Table | None:
    """The kind of a file by its path in the workspace, None where there is none; the most exact one.

    >>> table_at("signals/store/1314e56e3791ac8a/imported.parquet").name
    'signals.imported'
    """
    found = [one for one in tables() if one.holds(path)]
    return min(found, key=lambda one: one.file.count("<"), default=None)


def dtype_text(dtype: pl.DataType) -> str:
    """A dtype as columns.yaml names it; the shape of an array is left out.

    >>> dtype_text(pl.Datetime("us")), dtype_text(pl.List(pl.Float64()))
    ('Datetime[us]', 'List[Float64]')
    """
    if isinstance(dtype, pl.Datetime):
        return f"Datetime[{dtype.time_unit}" + (f", {dtype.time_zone}]" if dtype.time_zone else "]")
    if isinstance(dtype, pl.List | pl.Array):
        inner = dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()
        return f"List[{dtype_text(inner)}]" if isinstance(dtype, pl.List) else f"Array[{dtype_text(inner)}]"
    return str(dtype)


def pattern_text(name: str, part: str) -> str:
    """A name as a regular expression, in which <…> stands for `part`."""
    return part.join(re.escape(piece) for piece in PLACEHOLDER.split(name))


def read_resource(name: str) -> Any:
    """A YAML file of this folder."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((files(__package__) / name).read_text(encoding="utf-8"), loader)  # noqa: S506 both are safe


def _columns(columns: dict[str, Any], common: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": name} | common.get(name, {}) | _fields(value) for name, value in columns.items()]


def _fields(value: Any) -> dict[str, Any]:
    """A column as columns.yaml has it: nothing where `common` says all, a list, or a mapping."""
    if isinstance(value, list):
        return dict(zip(("dtype", "unit", "meaning", "null"), value, strict=False))
    return {"null" if field is None else field: text for field, text in (value or {}).items()}
