"""A page for each command, from the Typer app: examples first, then arguments, options, exit codes and JSON."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer
import yaml
from kq_cli.app import app

from docs.build.markdown import code, fence, page, sentence, table
from kronos_quant.config.fields import value_text

JSON = Path(__file__).parents[1] / "json.yml"
KINDS = {"str": "text", "int range": "integer", "int": "integer", "float range": "number", "float": "number"}
"""Typer's kinds of values in words."""
OWN = {
    "kq audit": "3 also when an installed package is affected",
    "kq check": "3 also when a gate of `kq.yaml` fails",
    "kq parity": "5 when the engine and the reference ledger, or the engine and pyqlib, differ",
}
"""Exit codes that a command gives a meaning of its own."""

Command = Any


@cache
def commands() -> dict[str, Command]:
    """Every command and group under its full name."""

    def walk(name: str, command: Command) -> Iterator[tuple[str, Command]]:
        yield name, command
        for sub, inner in getattr(command, "commands", {}).items():
            yield from walk(f"{name} {sub}", inner)

    return dict(walk("kq", typer.main.get_command(app)))


def pages() -> dict[str, str]:
    """Page name -> text."""
    made = {file_name(name): command_page(name, command) for name, command in commands().items() if name != "kq"}
    return {"commands/index": index(), **{f"commands/{name}": text for name, text in made.items()}}


def file_name(name: str) -> str:
    """`kq ingest qlib` is on the page ingest_qlib."""
    return "_".join(name.split()[1:])


def index() -> str:
    """The list of all commands, by the panels of `kq --help`."""
    panels: dict[str, list[tuple[str, str]]] = defaultdict(list)
    outer = commands()["kq"].commands
    for name, command in sorted(outer.items(), key=lambda item: list(_panel_order()).index(item[0])):
        for full, inner in commands().items():
            if full.split()[1:2] == [name]:
                words = inner.short_help or command.short_help
                panels[command.rich_help_panel].append((f"[`{full}`]({file_name(full)}.md)", sentence(words)))
    blocks = [
        part for panel, rows in panels.items() for part in (f"## {panel}", table(["Command", "What it does"], rows))
    ]
    return page(
        "Commands",
        "Every command of kq, by task.",
        "`--help` after a command shows the same texts. Results go to stdout, progress and errors to stderr; most "
        "commands print JSON with `--json`. `kq --version` prints the version.",
        *blocks,
    )


def _panel_order() -> Iterator[str]:
    """The commands in the order of the app, commands and groups mixed as they are registered by panel."""
    panels = list(dict.fromkeys(command.rich_help_panel for command in commands()["kq"].commands.values()))
    for panel in panels:
        yield from (name for name, one in commands()["kq"].commands.items() if one.rich_help_panel == panel)


def command_page(name: str, command: Command) -> str:
    """The page of one command or group."""
    example, *paragraphs = paragraphs_of(command)
    inner = getattr(command, "commands", {})
    runs = not inner or bool(command.params)
    parts = [
        fence(example.removeprefix("Example: ")),
        *paragraphs,
        _members(name, inner) if inner else "",
        *(_parameters(command, "argument", "Arguments") if runs else ()),
        *(_parameters(command, "option", "Options") if runs else ()),
        *(("## Exit codes", _exit_codes(name)) if runs else ()),
        *(json_part(name) if runs else ()),
    ]
    return page(name, sentence(command.short_help or command.help.splitlines()[-1]), *parts)


def paragraphs_of(command: Command) -> list[str]:
    """The blocks of a help text; items of a list are one block."""
    text = command.help or inspect.getdoc(command.callback) or ""
    blocks: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("- ") and blocks and blocks[-1].startswith("- "):
            blocks[-1] += f"\n{line}"
        else:
            blocks.append(line)
    return blocks


def _members(name: str, inner: dict[str, Command]) -> str:
    rows = (
        (f"[`{name} {sub}`]({file_name(f'{name} {sub}')}.md)", sentence(one.short_help or ""))
        for sub, one in inner.items()
    )
    return table(["Command", "What it does"], rows)


def _parameters(command: Command, kind: str, title: str) -> Iterator[str]:
    found = [one for one in command.params if one.param_type_name == kind]
    if found:
        yield f"## {title}"
        yield table([title[:-1], "Value", "Default", "Meaning"], map(_parameter_row, found))


def _parameter_row(parameter: Any) -> tuple[str, str, str, str]:
    if parameter.param_type_name == "argument":
        shown = parameter.metavar or parameter.name.rstrip("_").upper()
        return code(shown), _value(parameter), _default(parameter), parameter.help
    names = " / ".join(code(" ".join(names)) for names in (parameter.opts, parameter.secondary_opts) if names)
    return names, _value(parameter), _default(parameter), sentence(parameter.help)


def _value(parameter: Any) -> str:
    """What is given to an option: a kind of value and its bounds; a flag takes none."""
    if getattr(parameter, "is_flag", False):
        return ""
    kind = parameter.metavar if parameter.param_type_name == "option" and parameter.metavar else ""
    bounds = [f"from {parameter.min:g}"] if parameter.min is not None else []
    bounds += [f"to {parameter.max:g}"] if parameter.max is not None else []
    again = ["repeatable"] if parameter.multiple or parameter.nargs == -1 else []
    words = kind or parameter.display_type(typer.Context(commands()["kq"])).strip("[]<>=x0123456789").lower()
    return " ".join([KINDS.get(words, words), *bounds, *again])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if getattr(parameter, "is_flag", False) or parameter.default in (None, "", ()):
        return ""
    return code(value_text(parameter.default))


def _exit_codes(name: str) -> str:
    own = f"; {OWN[name]}" if name in OWN else ""
    return f"0 on success, else [as every command](../exit_codes.md){own}."


def json_part(name: str) -> Iterator[str]:
    """What `--json` prints, as docs/json.yml says."""
    if not any("--json" in one.opts for one in commands()[name].params):
        return
    said = json_keys()[name]
    yield "## JSON"
    yield sentence(said["prints"])
    yield table(["Key", "Meaning"], ((code(key), sentence(words)) for key, words in said.get("keys", {}).items()))


@cache
def json_keys() -> dict[str, dict[str, Any]]:
    """What each command prints with `--json`: command -> what it is, and its keys."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(JSON.read_text(encoding="utf-8"))
    return found
