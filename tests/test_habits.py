"""Habits of this code base: names, words, documentation. Each test says what a change has to keep."""

import ast
import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from commands import parse
from made import ROOT

import kronos_quant
from docs.build.api import own_members

LIBRARY = sorted((ROOT / "kronos_quant").rglob("*.py"))
COMMANDS = sorted((ROOT / "cli").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (*LIBRARY, *COMMANDS)}

FEWEST_LINES = 40
SECTIONS_FROM = 3
"""Parameters from which on a docstring has sections."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, known: set[str]) -> set[str]:
    """The modules of the package that a file imports, under TYPE_CHECKING and inside functions too."""
    names = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & known - {module_name(path)}


def test_no_files_import_each_other_in_a_circle():
    # a package's __init__ passes names on and is no station of its own
    files = {module_name(path): path for path in LIBRARY if path.name != "__init__.py"}
    graph = {name: imports_of(path, set(files)) for name, path in files.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_a_public_class_name_is_defined_once_in_the_package():
    homes = defaultdict(list)
    for path in LIBRARY:
        for node in TREES[path].body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module_name(path))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_a_module_is_worth_a_file():
    short = {
        module_name(path): count
        for path in LIBRARY
        if path.name not in ("__init__.py", "__main__.py")
        and (count := path.read_text(encoding="utf-8").count("\n")) < FEWEST_LINES
    }
    assert set(short) - SHORT == set()


SHORT = {"kronos_quant.arrays", "kronos_quant.files", "kronos_quant.display"}
"""The types that every package shares."""


# hints


def texts_of(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be, with 1 for what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "1" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from texts_of(node.body)
        yield from texts_of(node.orelse)


def hints() -> Iterator[tuple[str, str]]:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in ("hint", "fix"):
                for text in texts_of(node.value):
                    yield f"{path.relative_to(ROOT)}:{node.value.lineno}", text


HINTS = list(hints())


@pytest.mark.parametrize(("place", "hint"), HINTS, ids=[place for place, _ in HINTS])
def test_a_hint_is_a_command_that_parses_or_one_sentence(place, hint):
    lines = [hint] if hint.startswith("kq ") else re.findall(r"`(kq [^`]+)`", hint)
    for line in lines:
        for part in line.split(" && "):
            if part.startswith("kq "):
                parse(re.sub(r"(--(?:date|start|end|since|older-than)) 1\b", r"\1 2024-01-02", part))


# documentation


LIGHT = {"__version__", "CheckpointError", "ConfigError", "DataError", "KronosQuantError"}
FRONT_DOOR = sorted(set(kronos_quant.__all__) - LIGHT)


def public_functions() -> Iterator[tuple[str, object]]:
    """The functions of the front door, the methods of its classes, and the functions in the `__all__` of a package."""
    for name in FRONT_DOOR:
        value = getattr(kronos_quant, name)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            methods = own_members(value).items()
            yield from ((f"{name}.{method}", one) for method, one in methods if inspect.isfunction(one))
    for package in sorted(init.parent.name for init in (ROOT / "kronos_quant").glob("*/__init__.py")):
        module = importlib.import_module(f"kronos_quant.{package}")
        named = ((name, getattr(module, name)) for name in getattr(module, "__all__", ()))
        yield from ((f"{package}.{name}", one) for name, one in named if inspect.isfunction(one))


def test_a_public_function_with_three_parameters_has_sections():
    lacking = set()
    for name, function in public_functions():
        parameters = [one for one in inspect.signature(function).parameters if one not in ("self", "cls")]
        public = not name.rpartition(".")[2].startswith("_")
        sections = re.search(r"^ *Parameters\n *-{3,}$", inspect.getdoc(function) or "", re.MULTILINE)
        if public and len(parameters) >= SECTIONS_FROM and not sections:
            lacking.add(name)
    assert lacking == set()


def test_every_name_of_the_front_door_has_an_example():
    assert {name for name in FRONT_DOOR if ">>>" not in (inspect.getdoc(getattr(kronos_quant, name)) or "")} == set()
