"""Pages of the files that commands leave: columns of tables, keys of JSON files."""

from __future__ import annotations

from collections.abc import Iterator

from docs.build.markdown import code, codes, page, sentence, table
from kronos_quant import schema
from kronos_quant.schema.figures import JsonFile
from kronos_quant.schema.tables import Column, Table


def pages() -> dict[str, str]:
    """Page name -> text."""
    return {"columns": columns(), "metrics": metrics()}


def columns() -> str:
    """The page of every Parquet and CSV file."""
    tables = schema.tables()
    contents = ((code(one.file), f"[{one.name}](#{anchor(one.name)})", sentence(one.row)) for one in tables)
    return page(
        "Columns of every file",
        "Every Parquet and CSV file that kq writes: each column's type, unit, meaning, and when a value is missing.",
        "Paths are relative to the workspace. A name with `<...>` stands for any name of that form. `kq config fields "
        "columns` prints the same. Rates are fractions (0.01 is 1%).",
        table(["File", "Table", "What a row is"], contents),
        *(block for one in tables for block in _table_part(one)),
    )


def anchor(name: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    return name.replace(".", "")


def _table_part(one: Table) -> Iterator[str]:
    yield f"## {one.name}"
    order = f"; sorted by {codes(one.order)}" if one.order else ""
    key = f" Key: {codes(one.key)}{order}." if one.key else ""
    yield f"{code(one.file)}. One row: {one.row}.{key}"
    yield table(["Column", "Type", "Unit", "Meaning", "Missing when"], (_column_row(each) for each in one.columns))


def _column_row(column: Column) -> tuple[str, str, str, str, str]:
    values = "; ".join(f"{code(name)}: {words}" for name, words in column.values.items())
    parts = (sentence(column.meaning), values and f"{values}.", column.optional and f"Only there: {column.optional}.")
    return code(column.name), column.dtype, column.unit, " ".join(part for part in parts if part), column.null


def metrics() -> str:
    """The page of every JSON file."""
    documents = [one for one in schema.documents() if not one.internal]
    internal = [one for one in schema.documents() if one.internal]
    contents = ((code(one.file), f"[{one.name}](#{anchor(one.name)})", sentence(one.about)) for one in documents)
    return page(
        "Keys of every JSON file",
        "metrics.json, manifest.json and the other JSON files of a run: each key's unit, meaning, and when it is null.",
        "A key is the path to a value, joined by dots; `<...>` stands for one part that differs from case to case, "
        "`[]` for the items of a list, `**` for everything below. What is not defined is `null`.",
        table(["File", "Section", "What it is for"], contents),
        *(block for one in documents for block in _document_part(one)),
        "## Internal files",
        "Read by kq only; they may change without notice.",
        table(["File", "What it is for", "Keys"], map(_internal_row, internal)),
    )


def _document_part(one: JsonFile) -> Iterator[str]:
    yield f"## {one.name}"
    yield f"{code(one.file)}. {sentence(one.about)}"
    rows = ((code(each.key), each.unit, sentence(each.meaning), each.null) for each in one.figures)
    yield table(["Key", "Unit", "Meaning", "Null when"], rows)


def _internal_row(one: JsonFile) -> tuple[str, str, str]:
    return code(one.file), sentence(one.about), codes(each.key for each in one.figures)
