"""Every JSON file that users read: what each key is, in figures.yaml.

A key is the path to a value, joined by dots: `<…>` stands for one part that differs from case to case, `[]` for the
items of a list, `**` at the end for everything below. In figures.yaml a figure is `[unit, meaning, null]`, or names
with `group` what stands below its key.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from kronos_quant.schema.tables import PLACEHOLDER, FileKind, SchemaEntry, read_resource, shared_columns

Path = tuple[str, ...]

ITEM, REST = "[]", "**"


class Figure(SchemaEntry):
    """A value in a JSON file: its key (a pattern), its unit, what it is, and when it is null ("" where never)."""

    key: str
    unit: str = ""
    meaning: str
    null: str = ""

    def describes(self, path: Path) -> bool:
        """Whether this is the figure at that path, see `flatten`.

        >>> figure = Figure(key="contenders.<name>.coverage", meaning="share of scored pairs")
        >>> figure.describes(("contenders", "last close", "coverage"))
        True
        """
        parts = self.key.split(".")
        if parts[-1] == REST:
            parts, path = parts[:-1], path[: len(parts) - 1]
        return len(parts) == len(path) and all(map(_same, parts, path))


class JsonFile(FileKind):
    """A kind of JSON file: what it is for, and its figures; internal where only kq itself reads it."""

    about: str
    internal: bool = False
    figures: tuple[Figure, ...]

    def figure(self, path: Path) -> Figure | None:
        """The description of the value at a path, None where there is none; the most exact one."""
        found = [figure for figure in self.figures if figure.describes(path)]
        return min(found, key=lambda figure: (figure.key.endswith(REST), figure.key.count("<")), default=None)


@cache
def documents() -> tuple[JsonFile, ...]:
    """Every kind of JSON file, in the order of figures.yaml."""
    data = read_resource("figures.yaml")
    key_figures = {column.name: [column.unit, column.meaning, column.null] for column in shared_columns("key_figures")}
    groups = data["groups"] | {"key_figures": key_figures}
    return tuple(
        JsonFile.model_validate({"name": name, **one, "figures": [*_expanded("", one["figures"], groups, "", "")]})
        for name, one in data["files"].items()
    )


def flatten(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value in a JSON document with the path to it; a list of plain values is one value.

    >>> list(flatten({"a": {"b": 1}, "c": [{"d": None}], "e": [1, 2]}))
    [(('a', 'b'), 1), (('c', '[]', 'd'), None), (('e',), [1, 2])]
    """
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from flatten(inner, (*path, name))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for item in value:
            yield from flatten(item, (*path, ITEM))
    else:
        yield path, value


def _same(part: str, name: str) -> bool:
    return part == name or PLACEHOLDER.fullmatch(part) is not None


def _expanded(
    above: str, entries: dict[str, Any], groups: dict[str, Any], unit: str, meaning: str
) -> Iterator[dict[str, Any]]:
    """The figures below a key, with those of the groups in place.

    unit, meaning : of the figure that the group belongs to; they replace {unit} and {meaning} in the group's own
    """
    for name, value in entries.items():
        fields = dict(zip(("unit", "meaning", "null"), value, strict=False)) if isinstance(value, list) else dict(value)
        group = fields.pop("group", None)
        for field in fields:
            fields[field] = fields[field].replace("{unit}", unit).replace("{meaning}", meaning)
        key = f"{above}{name}"
        if group is None or "null" in fields:
            yield {"key": key, **fields}
        if group is not None:
            below = f"{key}." if key.strip() else above
            yield from _expanded(below, groups[group], groups, fields.get("unit", ""), fields.get("meaning", ""))
