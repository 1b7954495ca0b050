"""The one way a YAML file of a user's is read.

The order is: flag, environment (`KQ_TRAIN__BATCH_SIZE=32`), file, default. Every problem of a file is reported at
once, each with file, line, field, what was expected and what was found.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from kronos_quant.config.environment import ENV_PREFIX, VARIABLES
from kronos_quant.config.fields import permitted_values
from kronos_quant.config.guides import place_guide_settings
from kronos_quant.config.parts import AdaptConfig
from kronos_quant.config.presets import fill_presets
from kronos_quant.config.section import Location, Model, Section, field_names, joined, problem_lines
from kronos_quant.config.sections import SCRATCH, TrainConfig, WorkspaceConfig
from kronos_quant.config.yaml_text import parse_yaml
from kronos_quant.errors import ConfigError, listed
from kronos_quant.inputs import short_name, short_repr
from kronos_quant.readers import read_text, regular_file

MOST_NAMES = 8
"""Files that the hint of a missing one names."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its dotted name, its value and default, where it came from, what it means and what it may be."""

    name: str
    value: Any
    default: Any
    meaning: str
    origin: str = "default"
    permitted: str = ""


def describe(section: Section, default: Section, prefix: str = "") -> list[Setting]:
    """The settings of a section and of those inside it.

    Parameters
    ----------
    section : the values
    default : the same section with its defaults
    prefix : put before every name, with its dot

    >>> from kronos_quant.config import GatesConfig
    >>> [setting.name for setting in describe(GatesConfig(), GatesConfig(), "gates.")]
    ['gates.max_rejected_share', 'gates.rules']
    """
    settings = []
    for name, field in type(section).model_fields.items():
        value, usual = getattr(section, name), getattr(default, name)
        if isinstance(value, Section) and isinstance(usual, Section) and not isinstance(value, AdaptConfig):
            settings += describe(value, usual, f"{prefix}{name}.")
        else:
            meaning, permitted = field.description or "", permitted_values(field)
            settings.append(Setting(f"{prefix}{name}", value, usual, meaning, permitted=permitted))
    return settings


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """A workspace's configuration and, for each dotted field, where its value came from."""

    config: WorkspaceConfig
    origins: dict[str, str]
    notes: tuple[str, ...] = ()
    """What a file written after a published guide means here: `kq train` and `kq config show` print it."""

    def settings(self) -> list[Setting]:
        """Every setting in the order of the models, with what a null becomes."""
        used = self.config.model_copy(update={"train": fill_presets(self.config.train, self.config.model)})
        plain = TrainConfig.model_validate({"adapt": self.config.train.adapt})
        default = WorkspaceConfig().model_copy(update={"train": fill_presets(plain, self.config.model)})
        preset = self.config.model.preset if self.config.model.base == SCRATCH else "fine-tuning"
        given = {setting.name: setting for setting in describe(self.config, WorkspaceConfig())}
        settings = []
        for setting in describe(used, default):
            filled = setting.value != given[setting.name].value
            origin = f"preset {preset}" if filled else self._origin(setting)
            settings.append(replace(setting, origin=origin))
        return settings

    def _origin(self, setting: Setting) -> str:
        """Where a value came from; of a nested one it may be known of the whole only."""
        outer = self.origins.get(setting.name.rpartition(".")[0], "default")
        return self.origins.get(setting.name, outer if setting.value != setting.default else "default")


def load_yaml(model: type[Model], path: Path) -> Model:
    """Read a YAML file into `model`; raises ConfigError listing every problem with file, line and field."""
    data, lines = _read(path)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}:1: expected fields (name: value), found {type(data).__name__}")

    def place(location: Location, words: str) -> str:
        return _place_of(path, lines, _named_field(lines, location, words))

    return _validate(model, data, place)


def load_workspace_config(path: Path, flags: Mapping[str, Any] | None = None) -> ResolvedConfig:
    """kq.yaml under the environment and the flags ({"train.batch_size": 32}); raises ConfigError with each origin."""
    data, lines = _read(path)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}:1: expected sections (market, model, train, gates), found {type(data).__name__}")
    placed = place_guide_settings(data, lines, path.name)
    data, lines = placed.data, placed.lines
    origins = {
        ".".join(map(str, location)): f"{path.name}:{line}" for location, line in lines.items() if len(location) > 1
    }
    for section, fields in _environment().items():
        for name, value in fields.items():
            _put(data, section, name, value)
            origins[f"{section}.{name}"] = f"{ENV_PREFIX}{section.upper()}__{name.upper()}"
    for dotted, value in (flags or {}).items():
        if value is not None:
            section, name = dotted.split(".")
            _put(data, section, name, value)
            origins[dotted] = "flag"

    def place(location: Location, words: str) -> str:
        location = _named_field(lines, location, words)
        origin = origins.get(".".join(map(str, location[:2])), "")
        return origin if origin.startswith((ENV_PREFIX, "flag")) else _place_of(path, lines, location)

    config = _validate(WorkspaceConfig, data, place)
    return ResolvedConfig(config, _by_field_name(origins), (*placed.notes, *_unknown_variables()))


def _put(data: dict[str, Any], section: str, name: str, value: Any) -> None:
    fields = data.get(section) or {}
    data[section] = {**fields, name: value} if isinstance(fields, dict) else {name: value}


def _by_field_name(origins: dict[str, str]) -> dict[str, str]:
    """A value given under an alias is shown under the field's own name."""
    renamed = dict(origins)
    for section, field in WorkspaceConfig.model_fields.items():
        section_model = field.annotation
        assert isinstance(section_model, type)
        assert issubclass(section_model, BaseModel)
        for name in section_model.model_fields:
            for alias in field_names(section_model, name):
                if f"{section}.{alias}" in origins:
                    renamed[f"{section}.{name}"] = origins[f"{section}.{alias}"]
    return renamed


def _environment() -> dict[str, dict[str, Any]]:
    """The settings in KQ_SECTION__FIELD variables, by section; of KQ_SECTION, all those of a section.

    A text that begins with a bracket is read as JSON or YAML. Raises ConfigError for a section that does not exist,
    and for a text that cannot be read.
    """
    sections = {name.upper(): name for name in WorkspaceConfig.model_fields}
    found: dict[str, dict[str, Any]] = {}
    for variable in sorted(name for name in os.environ if name.upper().startswith(ENV_PREFIX)):
        section, *fields = variable[len(ENV_PREFIX) :].upper().split("__")
        if section not in sections:
            if fields:
                expected = f"{joined(sorted(sections))} after {ENV_PREFIX}"
                raise ConfigError(f"environment: {short_name(variable)}: expected {expected}")
            continue
        value = _environment_value(variable, os.environ[variable])
        if not fields and not isinstance(value, dict):
            raise ConfigError(
                f"environment: {variable}: expected fields of the section, found {short_repr(value)}",
                hint=f"Name a field, as in {ENV_PREFIX}TRAIN__BATCH_SIZE=32.",
            )
        for field in reversed([field.lower() for field in fields]):
            value = {field: value}
        found[sections[section]] = _merged(found.get(sections[section], {}), value)
    return found


def _unknown_variables() -> list[str]:
    """A note for each KQ_ variable that nothing reads, such as KQ_TRAIN_SEED with one line too few."""
    known = {ENV_PREFIX + name.upper() for name in WorkspaceConfig.model_fields} | {one.name for one in VARIABLES}
    unknown = (name for name in sorted(os.environ) if name.startswith(ENV_PREFIX) and "__" not in name)
    example = f"{ENV_PREFIX}TRAIN__BATCH_SIZE"
    return [
        f"environment: {short_name(name)} is not read: a setting has two underscores, as in {example}"
        for name in unknown
        if name not in known
    ]


def _environment_value(variable: str, text: str) -> Any:
    place = f"environment: {variable}"
    if not text.isascii() and "\udc80" <= max(text) <= "\udcff":
        raise ConfigError(f"{place}: expected UTF-8 text, found {short_repr(text)}")
    return parse_yaml(text, place)[0] if text.lstrip().startswith(("{", "[")) else text


def _merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Two mappings as one, sections inside them too; `more` wins."""
    both = {name: (values[name], more[name]) for name in values.keys() & more.keys()}
    inner = {name: _merged(*pair) for name, pair in both.items() if all(isinstance(one, dict) for one in pair)}
    return values | more | inner


def _read(path: Path) -> tuple[Any, dict[Location, int]]:
    """The file's plain data, and the line of each of its keys."""
    if not path.exists() and not path.is_symlink():
        near = [p.stem for p in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        hint = f"Available: {listed(sorted(near), MOST_NAMES)}." if near else "kq init writes the files to start from"
        raise ConfigError(f"{path}: no such file", hint=hint)
    regular_file(path, ConfigError)
    data, lines = parse_yaml(read_text(path, ConfigError, "Save it as UTF-8."), str(path))
    return {} if data is None else data, lines


def _named_field(lines: Mapping[Location, int], location: Location, words: str) -> Location:
    """The first field below `location` that a message names and the file has; else `location` itself."""
    for word in re.findall(r"\w+", words):
        if (*location, word) in lines:
            return (*location, word)
    return location


def _place_of(path: Path, lines: Mapping[Location, int], location: Location) -> str:
    """File and line of a field; of the whole file no line."""
    if not location:
        return str(path)
    while location and location not in lines:
        location = location[:-1]
    return f"{path}:{lines.get(location, 1)}"


def _validate(model: type[Model], data: Any, place: Callable[[Location, str], str]) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(*problem_lines(error, model, place)) from None
