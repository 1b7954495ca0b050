"""The base of every model of a user's settings, and how a wrong setting is reported.

A wrong value raises ConfigError however the model is made: read from a file (`load_yaml`), from plain values
(`read_values`) or called in Python (`Strategy(topk=4)`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    field_validator,
    model_validator,
)

from kronos_quant.errors import ConfigError
from kronos_quant.inputs import LONGEST_NAME, as_date, short_name, short_repr

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

ALL_NAMES = 8
"""Of a section with no more fields than this, all are named after an unknown one; else the nearest three."""
ONE_NAME = 0.75
"""Similarity (difflib) from which on one name alone is suggested."""


def _plain_day(value: Any) -> Any:
    """A date as `as_date` takes it: pydantic alone would read the number 0 as the first day of 1970."""
    try:
        return as_date(value, "")
    except ConfigError:
        raise ValueError(f"must be a date such as 2025-06-05, found {short_repr(value)}") from None


Day = Annotated[date, BeforeValidator(_plain_day)]
"""A date in a section."""

_TIME = "must be a time (YYYY-MM-DDTHH:MM)"
_WRONG_KIND = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be an integer"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    **dict.fromkeys(("string_type", "string_unicode"), "must be a text"),
    **dict.fromkeys(("invalid_key", "dict_type"), "must be fields by name"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
    "date_type": "must be a date such as 2025-06-05",
    **dict.fromkeys(("datetime_parsing", "datetime_type", "datetime_from_date_parsing"), _TIME),
    **dict.fromkeys(
        ("union_tag_not_found", "model_attributes_type"), "expected a step such as {step: winsorise, limit: 0.01}"
    ),
}
"""pydantic's kinds of a value of the wrong type -> what is expected; the one tagged union is a recipe's steps."""


class Section(BaseModel):
    """A part of a YAML file: no unknown field, no change after reading, and ConfigError for a wrong value.

    A field that was renamed has its old name as an alias and as `serialization_alias`: `model_dump(by_alias=True)`
    gives the names that stored digests were computed over. `units` names the fields of each unit; the tables of fields
    find it in `json_schema_extra`. The text under a field is its description.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    units: ClassVar[dict[str, str]] = {}
    """Unit -> the names of its fields, separated by spaces."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Give each field its unit, and its description in one line."""
        for unit, names in cls.units.items():
            for name in names.split():
                field = cls.model_fields[name]
                also = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
                field.json_schema_extra = {**also, "unit": unit}
        for field in cls.model_fields.values():
            field.description = " ".join((field.description or "").split()) or None

    @model_validator(mode="before")
    @classmethod
    def _refuse_flags(cls, values: Any) -> Any:
        """A number is not given as true or false, which pydantic reads as 1 and 0."""
        flags = {name: one for name, one in values.items() if isinstance(one, bool)} if isinstance(values, dict) else {}
        for field in cls.model_fields if flags else ():
            kinds = set(_plain_types(cls.model_fields[field].annotation))
            given = next((name for name in field_names(cls, field) if name in flags), None)
            # a field that may hold a word too checks and words this itself
            if given is not None and kinds & {int, float} and kinds <= {int, float, type(None)}:
                expected = "a number" if float in kinds else "an integer"
                raise ValueError(f"{given}: must be {expected}, found {flags[given]}")
        return values

    @field_validator("*", mode="after")
    @classmethod
    def _refuse_control_letters(cls, value: Any) -> Any:
        """A path of Windows in double quotes: YAML reads "C:\\new" with a line break."""
        if isinstance(value, Path) and not str(value).isprintable():
            hint = "in double quotes a backslash begins a special letter: write / or use single quotes"
            raise ValueError(f"expected a path, found {short_repr(str(value))} ({hint})")
        return value

    if not TYPE_CHECKING:

        def __init__(self, *given: Any, **values: Any) -> None:
            if given:
                name = section_name(type(self))
                raise ConfigError(f"{name}: settings are given by name (topk=20), found {short_repr(given[0])}")
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _config_error(error, type(self), section_name(type(self))) from None

        # pydantic calls an __init__ of one's own for nested sections too, unless it is marked as its own: only the
        # outermost section words its problems
        __init__.__pydantic_base_init__ = True

        def __setattr__(self, name: str, value: Any) -> None:
            kind = type(self).__name__
            raise ConfigError(
                f"{section_name(type(self))}: {name}: settings cannot be changed", hint=f"make a new {kind}({name}=...)"
            )


def read_values(model: type[Model], values: Mapping[str, Any], name: str | None = None) -> Model:
    """Plain values as a model.

    Parameters
    ----------
    model : the model, such as Strategy or TrainConfig
    values : field (or an alias of it) -> value
    name : what the values are, for the message; None: the model's name ("strategy")

    Raises
    ------
    ConfigError
        Naming every wrong field in a line.

    >>> from kronos_quant.config import TrainConfig
    >>> read_values(TrainConfig, {"epochs": 3}).predictor_epochs
    3
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _config_error(error, model, name or section_name(model)) from None


def section_name(model: type[BaseModel]) -> str:
    """A model in words: `Strategy` is "strategy", `TrainConfig` is "train"."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"(Config|Settings)$", "", model.__name__))
    return words.lower()


def problem_lines(error: ValidationError, model: type[BaseModel], place: Callable[[Location, str], str]) -> list[str]:
    """Every problem in one line: place, field, what was expected and what was found.

    place : from a problem's location, and its words where they are a check of one's own (else ""), to file and line
    """
    told = []
    for problem in error.errors():
        location, words = problem["loc"], _wording(problem, model)
        where = place(location, words if problem["type"] == "value_error" else "")
        told.append(f"{where}: {_field_path(location)}{words}")
    return told


def field_names(model: type[BaseModel], field: str) -> list[str]:
    """A field's name, its aliases, and what else is turned into it (`use_amp` into `precision`)."""
    info = model.model_fields[field]
    alias, extra = info.validation_alias, info.json_schema_extra
    choices = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else []
    also = extra.get("also") if isinstance(extra, dict) else None
    return list(dict.fromkeys([field, *choices, *(map(str, also) if isinstance(also, list) else ())]))


def joined(names: list[str], word: str = "or") -> str:
    """'a, b or c'.

    >>> joined(["gloo", "nccl"])
    'gloo or nccl'
    """
    return ", ".join(names[:-1]) + (f" {word} " if len(names) > 1 else "") + names[-1] if names else "nothing"


def _plain_types(annotation: Any) -> Iterator[Any]:
    """The types in an annotation, through unions and constraints: int and float of `PositiveInt | float`."""
    parts = () if get_origin(annotation) is Literal else get_args(annotation)
    if isinstance(annotation, type) or get_origin(annotation) is Literal:
        yield annotation
    for part in parts:
        yield from _plain_types(part)


def _config_error(error: ValidationError, model: type[BaseModel], name: str) -> ConfigError:
    return ConfigError(*problem_lines(error, model, lambda _location, _words: name))


def _field_path(location: Location) -> str:
    return "".join(f"{short_name(part)}: " for part in [".".join(map(str, location))] if part)


def _wording(problem: Any, model: type[BaseModel]) -> str:
    kind, found, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"no such field; {_suggestion(str(problem['loc'][-1]), _known_fields(model, problem['loc'][:-1]))}"
    if kind == "value_error":
        return str(context.get("error", problem["msg"]))
    if kind == "missing":
        return "is required"
    if kind in _WRONG_KIND:
        return f"{_WRONG_KIND[kind]}, found {short_repr(found)}"
    message = problem["msg"].removeprefix("Input should be ")
    return f"must be {message[0].lower()}{message[1:]}, found {short_repr(found)}"


def _suggestion(given: str, known: list[str]) -> str:
    """The one name that was meant, or the nearest ones."""
    near = difflib.get_close_matches(given[:LONGEST_NAME], known, n=3, cutoff=0.0)
    if near and difflib.SequenceMatcher(None, near[0], given).ratio() >= ONE_NAME:
        return f"did you mean {near[0]}?"
    return f"expected {joined(known)}" if len(known) <= ALL_NAMES else f"nearest names: {', '.join(near)}"


def _known_fields(model: type[BaseModel], location: Location) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return [name for field in model.model_fields for name in field_names(model, field)]
