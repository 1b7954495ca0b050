"""YAML text of a user's as plain values: the one place where YAML is read, and what of YAML is not.

| in the text                            | becomes                                                                  |
|----------------------------------------|--------------------------------------------------------------------------|
| a key                                  | the text as written: `000001` and `no` are symbols, not 1 and false      |
| `yes`, `no`, `on`, `off`               | true and false, as YAML 1.1 has it                                       |
| 11:30, 1:30:00                         | text: YAML 1.1 would read a number of base 60                            |
| 0100                                   | refused: YAML 1.1 would read 64                                          |
| a date that does not exist             | text, which its field then refuses by name                               |
| an alias (`*name`), a merge key (`<<`) | refused: nine lines of them hold a billion values, or one inside itself  |
| a tag (`!!binary`, `!!python/object`)  | refused, but those of numbers, texts, lists and mappings                 |
| a key given twice                      | refused                                                                  |
| more than MOST_LEVELS levels           | refused                                                                  |
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from typing import Any

import yaml

from kronos_quant.config.section import Location
from kronos_quant.errors import ConfigError
from kronos_quant.inputs import short_name, short_repr

MOST_CHARACTERS = 1_000_000
"""Of a file: the longest recipe with lots for 5,000 symbols has a tenth of it."""
MOST_LEVELS = 50
LONGEST_REASON = 200
"""Characters of what PyYAML says."""
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")


BACKSLASHES = (
    "Write a path of Windows with / or in single quotes: in double quotes a backslash begins a special letter."
)


class _Refusal(yaml.MarkedYAMLError):
    """Something of YAML that is not read."""


class _Loader(yaml.SafeLoader):
    """Plain values, by the rules of this module."""

    level = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise _Refusal(problem=f"the alias *{event.anchor} is not read: write the value itself", problem_mark=mark)
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _PLAIN_TAGS and tag != "!":
            raise _Refusal(problem=f"the tag {short_repr(tag)} is not read", problem_mark=mark)
        if self.level >= MOST_LEVELS:
            raise _Refusal(problem=f"more than {MOST_LEVELS} levels inside each other", problem_mark=mark)
        self.level += 1
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
            return node
        finally:
            self.level -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}

    def whole_number(self, node: yaml.ScalarNode) -> int | str:
        text = str(self.construct_scalar(node))
        if ":" in text:
            return text
        if _LEADING_ZERO.fullmatch(text):
            problem = f"{short_repr(text)} is not read: write a number without leading zeros, or a text in quotes"
            raise _Refusal(problem=problem, problem_mark=node.start_mark)
        try:
            return int(self.construct_yaml_int(node))
        except ValueError:
            problem = f"expected a whole number, found {short_repr(text)}"
            raise _Refusal(problem=problem, problem_mark=node.start_mark) from None

    def number(self, node: yaml.ScalarNode) -> float | str:
        text = str(self.construct_scalar(node))
        if ":" in text:
            return text
        try:
            return float(self.construct_yaml_float(node))
        except ValueError:
            problem = f"expected a number, found {short_repr(text)}"
            raise _Refusal(problem=problem, problem_mark=node.start_mark) from None

    def day(self, node: yaml.ScalarNode) -> Any:
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            return self.construct_scalar(node)


for _kind, _construct in (("int", _Loader.whole_number), ("float", _Loader.number), ("timestamp", _Loader.day)):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _construct)


def parse_yaml(text: str, place: str) -> tuple[Any, dict[Location, int]]:
    """The plain values of a YAML text, and the line of each of its keys; None for an empty one.

    place : what errors call the text, such as its file. Raises ConfigError, with place and line, for what is not read.

    >>> parse_yaml("lots: {000001: 100}", "a.yaml")
    ({'lots': {'000001': 100}}, {('lots',): 1, ('lots', '000001'): 1})
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"{place}: expected at most {MOST_CHARACTERS:,} characters, found {len(text):,}")
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            f"{place}:{line}: the character {short_repr(text[error.position])} is not allowed in YAML"
        ) from None
    try:
        node = loader.get_single_node()
        lines = dict(_lines(node, (), place)) if node is not None else {}
        return (None if node is None else loader.construct_document(node)), lines
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{place}:{mark.line + 1}" if mark else place
        reason = " ".join(str(getattr(error, "problem", None) or error).split())[:LONGEST_REASON]
        hint = BACKSLASHES if "escape" in reason else None  # D:\\data in double quotes
        known = "" if isinstance(error, _Refusal) else "not valid YAML: "
        raise ConfigError(f"{where}: {known}{reason}", hint=hint) from None
    finally:
        loader.dispose()


def _lines(node: yaml.Node, location: Location, place: str) -> Iterator[tuple[Location, int]]:
    """(location, line) of every key below `node`; raises ConfigError for a key given twice, or that is no text."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{place}:{line}: expected a name before the colon, found {_kind_of(key)}")
            if key.tag == "tag:yaml.org,2002:merge":
                raise ConfigError(f"{place}:{line}: the merge key << is not read: write the values themselves")
            if key.value in seen:
                raise ConfigError(
                    f"{place}:{line}: {short_name(key.value)}: given twice, first on line {seen[key.value]}"
                )
            seen[key.value] = line
            yield (*location, key.value), line
            yield from _lines(value, (*location, key.value), place)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*location, number), value.start_mark.line + 1
            yield from _lines(value, (*location, number), place)


def _kind_of(node: yaml.Node) -> str:
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
