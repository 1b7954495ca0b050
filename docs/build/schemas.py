"""JSON Schemas of the three YAML files, for editors: completion, help and errors while typing.

They say what pydantic's own schema leaves out: older names, words that stand for a section (`adapt: full`), and names
of the published guides.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from kronos_quant.backtest.strategy import SHARE_SETTINGS
from kronos_quant.config.fields import sections_in
from kronos_quant.config.guides import ELSEWHERE, FIELDS, FLAT, NOT_USED, SECTIONS
from kronos_quant.config.section import field_names
from kronos_quant.workflows.fields import field_model

TITLES = {
    "kq": "kq.yaml of kronos-quant: the configuration of a workspace.",
    "recipe": "signals/NAME.yaml of kronos-quant: how signals are made.",
    "strategy": "strategies/NAME.yaml of kronos-quant: a back-test as settings.",
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
WORDS: dict[str, dict[str, Any]] = {
    "AdaptConfig": {"const": "full"},
    "DecisionPoints": {"const": "close"},
    "VolumeShares": {"type": ["number", "array", "object"]},
}
"""What may stand in place of a section."""
TIME = {"pattern": "^[0-2][0-9]:[0-5][0-9](:[0-5][0-9])?$", "type": ["string", "integer"]}
"""YAML reads 11:30 without quotes as a number."""
NOTES = ("title", "also", "permitted", "unit")
"""Keys that are for people or for the tables of fields."""


def pages() -> dict[str, str]:
    """File name -> text."""
    return {f"{name}.json": json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n" for name in TITLES}


def schema(name: str) -> dict[str, Any]:
    """The schema of a kind of file: kq, recipe or strategy."""
    model = field_model(name)
    plain = _clean(model.model_json_schema(mode="validation"))
    defined = plain.pop("$defs", {})
    for kind, section in _sections(model).items():
        _add_names(defined[kind], section)
    _add_names(plain, model)
    for kind in WORDS.keys() & defined.keys():
        defined[kind] = {"anyOf": [WORDS[kind], defined[kind]]}
    if name == "kq":
        _add_guides(plain["properties"], defined["TrainConfig"]["properties"])
    if name == "strategy":
        words_of_share = f"Qlib's name of {' or '.join(sorted(SHARE_SETTINGS))}, whichever the rule has"
        plain["properties"]["risk_degree"] = {"type": "number", "description": words_of_share}
    return {"$schema": DIALECT, "title": TITLES[name], **plain, **({"$defs": defined} if defined else {})}


def _clean(value: Any) -> Any:
    """A schema without notes; a field's unit is put at the end of its description."""
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("format") == "time":
        return dict(TIME)
    kept = {key: _clean(one) for key, one in value.items() if key not in NOTES or isinstance(one, dict)}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].partition("\n\n")[0].split())
    unit = value.get("unit")
    if isinstance(unit, str) and unit and "description" in kept:
        kept["description"] += f" [{unit}]"
    return kept


def _sections(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The sections inside a model, and those inside them, by name."""
    found: dict[str, type[BaseModel]] = {}
    for info in model.model_fields.values():
        for section in sections_in(info.annotation):
            found |= {section.__name__: section, **_sections(section)}
    return found


def _add_names(part: dict[str, Any], model: type[BaseModel]) -> None:
    """Put each field under its own name first, and its older names after it."""
    given, named, older = part.get("properties", {}), {}, {}
    for field in model.model_fields:
        own, *others = field_names(model, field)
        said = given.get(own) or next(given[other] for other in others if other in given)
        named[own] = said
        for other in others:
            older[other] = {"description": f"another name of {own}", "deprecated": True}
    part["properties"] = {**named, **older}


def _add_guides(top: dict[str, Any], train: dict[str, Any]) -> None:
    """The names of the published guides, which kq.yaml may have at the top or under train."""
    for name in SECTIONS:
        top.setdefault(name, {"description": "section of the published CSV guide"})
    for name in sorted({*FLAT, *ELSEWHERE, *NOT_USED, *(field for _, field in FIELDS)}):
        words = (
            f"of the published guides; set {ELSEWHERE[name]} instead"
            if name in ELSEWHERE
            else "of the published guides"
        )
        for place in (top, train):
            place.setdefault(name, {"description": words})
