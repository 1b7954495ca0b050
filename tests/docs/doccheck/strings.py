"""The strings of the source: what the program can print, and what its docstrings say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from made import ROOT

PUT_IN = "1"
"""Stands for what an f-string puts in."""
SOURCES = sorted(path for folder in ("kronos_quant", "cli") for path in (ROOT / folder).rglob("*.py"))


@dataclass(frozen=True)
class Text:
    """A string of a source file, with its line; `note` is a docstring, or one of a value, that no user sees.

    of_lines : the text is a file's, line by line, and the place lacks the line
    """

    place: str
    value: str
    note: bool = False
    of_lines: bool = False

    def place_of(self, position: int) -> str:
        """Path and line of a position in the text."""
        return f"{self.place}:{self.value.count(chr(10), 0, position) + 1}" if self.of_lines else self.place


def texts(source: str, name: str, *, commands: bool = False) -> Iterator[Text]:
    """The strings of a file; a concatenation of literals is one, an f-string has 1 for what is put in.

    commands : docstrings of functions are the help of commands
    """
    tree = ast.parse(source)
    notes, parts = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            notes.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
    shown: set[int] = set()
    for node in ast.walk(tree):
        if commands and isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            shown.add(id(node.body[0].value))
    for node in ast.walk(tree):
        value = text_of(node) if id(node) not in parts else None
        if value is not None:
            yield Text(f"{name}:{node.lineno}", value, id(node) in notes and id(node) not in shown)


def text_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else PUT_IN for part in node.values)
    return None


def texts_of_file(path: Path) -> Iterator[Text]:
    """The strings of a source file of ours."""
    name = str(path.relative_to(ROOT))
    yield from texts(path.read_text(encoding="utf-8"), name, commands=name.startswith("cli/"))


def texts_of_template(path: Path) -> Text:
    """The words of an HTML template, without its tags and expressions."""
    hidden = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>|\{#.*?#\}", re.DOTALL)
    words = hidden.sub(lambda found: "\n" * found[0].count("\n"), path.read_text(encoding="utf-8"))
    return Text(str(path.relative_to(ROOT)), words, of_lines=True)
