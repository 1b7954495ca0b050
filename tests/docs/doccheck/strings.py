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
    """A string of a source file, with its line; `note` is a docstring, or one of a value, that no user sees."""

    place: str
    value: str
    note: bool = False


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


def texts_of_template(path: Path) -> Iterator[Text]:
    """The words of an HTML template, without its tags and expressions."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>|\{#.*?#\}", " ", line).strip()
        if words:
            yield Text(f"{path.relative_to(ROOT)}:{number}", words)
