"""The fields of kq.yaml, a recipe or a strategy as a table: what each is called, may hold, and means.

The command line, the reference pages and the JSON Schemas read this table; `permitted_values` is the one wording of
what a field may hold. A field adds to it through `json_schema_extra`: `unit`, and `permitted` where its type says too
little.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from kronos_quant.config.section import field_names, joined

REQUIRED = "required"
NULL = "null"
_PLAIN = {
    int: "integer",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "path",
    date: "date",
    datetime: "time",
    time: "time",
}
_PERMITTED = {**_PLAIN, date: "YYYY-MM-DD", datetime: "YYYY-MM-DDTHH:MM", time: "'HH:MM'"}


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field: its dotted name, type, default, permitted values, unit, meaning and older names."""

    name: str
    type: str
    default: str
    permitted: str
    unit: str
    meaning: str
    aliases: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The row as plain values."""
        return asdict(self)


def field_rows(model: type[BaseModel], prefix: str = "") -> list[FieldRow]:
    """The fields of a model and of the sections inside it, in their order.

    Parameters
    ----------
    model
        WorkspaceConfig, Recipe, Strategy or a section of one.
    prefix
        Put before every name, with its dot.

    Examples
    --------
    >>> from kronos_quant.config import GatesConfig
    >>> [(row.name, row.default) for row in field_rows(GatesConfig, "gates.")]
    [('gates.max_rejected_share', 'null'), ('gates.rules', '{}')]
    """
    rows = []
    for name, info in model.model_fields.items():
        sections = list(sections_in(info.annotation))
        own, *others = field_names(model, name)
        rows.append(
            FieldRow(
                prefix + own,
                type_name(info),
                _default(info),
                permitted_values(info),
                _extra(info, "unit"),
                info.description or "",
                tuple(others),
            )
        )
        for section in sections:
            tag = _tag(section)
            if tag:
                rows.append(_tagged(section, f"{prefix}{name}.{tag}"))
                rows += [row for row in field_rows(section, f"{prefix}{name}.{tag}.") if not row.name.endswith(".step")]
            else:
                rows += field_rows(section, f"{prefix}{name}.")
    return rows


def permitted_values(info: FieldInfo) -> str:
    """What a field may hold, in words.

    >>> from kronos_quant.config import TrainConfig
    >>> permitted_values(TrainConfig.model_fields["val_ratio"])
    'number above 0 and below 1'
    """
    said = _extra(info, "permitted")
    if said:
        return said
    return joined([words for part in _parts(info.annotation) for words in _choices(part, info.metadata)])


def type_name(info: FieldInfo) -> str:
    """A field's type in a word or two."""
    return joined(list(dict.fromkeys(_type(part) for part in _parts(info.annotation))))


def value_text(value: object) -> str:
    """A value as a YAML file would hold it."""
    if value is PydanticUndefined:
        return REQUIRED
    if value is None or isinstance(value, bool):
        return NULL if value is None else str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(value_text(one) for one in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {value_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.6g}"
    return str(value) or '""'


def _parts(annotation: Any) -> list[Any]:
    """The members of a union, without the marks of `Annotated`; of anything else itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        return list(get_args(annotation))
    return [annotation]


def _default(info: FieldInfo) -> str:
    if _is_section(info.annotation):
        return ""
    return value_text({} if info.default_factory is dict else info.get_default())


def _choices(part: Any, bounds: list[Any]) -> list[str]:
    """What a member of a union may hold: the words of a choice one by one."""
    return [str(choice) for choice in get_args(part)] if get_origin(part) is Literal else [_permitted(part, bounds)]


def _permitted(part: Any, bounds: list[Any]) -> str:
    if get_origin(part) is Annotated:
        part, *marks = get_args(part)
        bounds = [*marks, *bounds]
    origin, inner = get_origin(part), get_args(part)
    if part is types.NoneType:
        return NULL
    if origin is Literal:
        return joined(_choices(part, bounds))
    if _is_section(part):
        return "the fields below"
    if origin is tuple:
        items = [
            "steps" if any(map(_tag, sections_in(each))) else _permitted(each, []) for each in inner if each is not ...
        ]
        return f"list of {items[0]}" if ... in inner else f"[{', '.join(items)}]"
    if origin is dict:
        return f"{_permitted(inner[0], [])}: {_permitted(inner[1], [])}"
    if part in (int, float):
        return " ".join([_PERMITTED[part], *_bounds(bounds)])
    return _PERMITTED.get(part, _type(part))


def _bounds(marks: list[Any]) -> Iterator[str]:
    """'from 0', 'above 0', and 'to 1' or 'and below 1'."""
    low = next((f"from {_number_text(mark.ge)}" for mark in marks if isinstance(mark, Ge)), "")
    low = next((f"above {_number_text(mark.gt)}" for mark in marks if isinstance(mark, Gt)), low)
    high = next(
        (("to " if low.startswith("from") else "up to ") + _number_text(m.le) for m in marks if isinstance(m, Le)), ""
    )
    high = next(
        (("and " if low else "") + f"below {_number_text(mark.lt)}" for mark in marks if isinstance(mark, Lt)), high
    )
    if low.startswith("from") and not high:
        low = low.replace("from", "at least")
    yield from (words for words in (low, high) if words)


def _number_text(bound: Any) -> str:
    """A bound to read: 100,000; 1e+30."""
    whole = isinstance(bound, int) or bound < 10**16
    return f"{int(bound):,}" if whole and bound >= 10**4 else value_text(bound)


def _type(part: Any) -> str:
    if get_origin(part) is Annotated:
        part = get_args(part)[0]
    origin, inner = get_origin(part), get_args(part)
    if part is types.NoneType:
        return NULL
    if origin is Literal:
        return "choice"
    if origin is tuple:
        return "list"
    if origin is dict:
        return "mapping"
    if _is_section(part):
        return "section"
    if get_origin(part) in (Union, types.UnionType):
        return joined(list(dict.fromkeys(_type(each) for each in inner)))
    return _PLAIN.get(part, str(part))


def _is_section(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, BaseModel)


def sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field of this type may hold, without those inside them."""
    if inspect.isclass(annotation) and not get_args(annotation):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for inner in get_args(annotation):
        yield from sections_in(inner)


def _tag(section: type[BaseModel]) -> str:
    """What tells a step from the others: `winsorise`."""
    info = section.model_fields.get("step")
    return str(get_args(info.annotation)[0]) if info is not None else ""


def _tagged(section: type[BaseModel], name: str) -> FieldRow:
    words = (inspect.getdoc(section) or "").partition("\n\n")[0].rstrip(".")
    return FieldRow(name, "step", "", f"{{step: {_tag(section)}}}", "", words[:1].lower() + words[1:])


def _extra(info: FieldInfo, key: str) -> str:
    extra = info.json_schema_extra
    return str(extra.get(key, "")) if isinstance(extra, dict) else ""
