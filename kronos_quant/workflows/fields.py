"""`kq config fields`: what a YAML file may hold, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name

from kronos_quant import schema
from kronos_quant.config.fields import FieldRow, field_rows
from kronos_quant.config.section import Section, joined
from kronos_quant.errors import ConfigError

COLUMNS = ("field", "default", "permitted", "unit", "meaning")
"""Of the table for people."""

MODELS = {
    "kq": "kronos_quant.config:WorkspaceConfig",
    "recipe": "kronos_quant.signals:Recipe",
    "strategy": "kronos_quant.backtest:Strategy",
}
"""Kind of file -> its model, loaded when it is needed."""
FILES = "columns"


def list_fields(kind: str = "kq") -> list[FieldRow]:
    """The fields of a kind of file: kq (kq.yaml), recipe or strategy; or columns, those of every file that is written.

    Raises ConfigError for another kind.

    >>> [row.default for row in list_fields("strategy") if row.name == "topk"]
    ['50']
    """
    if kind == FILES:
        return [
            FieldRow(f"{table.file}: {one.name}", one.dtype, "", ", ".join(one.values), one.unit, one.meaning)
            for table in schema.tables()
            for one in table.columns
        ]
    return field_rows(field_model(kind))


def field_model(kind: str) -> type[Section]:
    """The model of a kind of file. Raises ConfigError for another kind."""
    if kind not in MODELS:
        raise ConfigError(f"{kind}: expected {joined([*MODELS, FILES])}", hint="kq config fields strategy")
    model: type[Section] = resolve_name(MODELS[kind])
    return model


def table_rows(fields: Sequence[FieldRow]) -> list[tuple[str, ...]]:
    """Fields as rows of COLUMNS, older names after the meaning."""
    also = (f" (also {joined(list(one.aliases), 'and')})" if one.aliases else "" for one in fields)
    return [
        (one.name, one.default, one.permitted, one.unit, one.meaning + names)
        for one, names in zip(fields, also, strict=True)
    ]
