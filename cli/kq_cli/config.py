"""kq config."""

import textwrap
from typing import Annotated

import typer

from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_lines, print_table

app = typer.Typer(no_args_is_help=True, help="Example: kq config show\n\nShow the workspace's configuration.")

Of = Annotated[
    str,
    typer.Argument(
        metavar="[NAME]", help="Part of a setting's name, such as train.head; or recipe or strategy, for their fields."
    ),
]
Kind = Annotated[str, typer.Argument(metavar="[KIND]", help="kq (kq.yaml), recipe, strategy, or columns of files.")]
INDENT = "    "


@app.command(short_help="Show every setting: value, origin, meaning.")
def show(of: Of = "", as_json: AsJson = False) -> None:
    """Example: kq config show train.batch

    Show every setting of kq.yaml: its value, where the value came from (flag, environment, file, preset or default),
    its default where that differs, its meaning, and what it may be. A null that a preset fills in is shown as the
    preset's value.
    """
    from kronos_quant.config import describe
    from kronos_quant.config.fields import value_text
    from kronos_quant.display import terminal_width, text_table
    from kronos_quant.errors import ConfigError

    notes: tuple[str, ...] = ()
    if of in ("recipe", "strategy"):
        from kronos_quant.workflows.fields import field_model

        section = field_model(of).model_validate({})
        settings = describe(section, section)
    else:
        from kronos_quant.workspace import open_workspace_folder

        resolved = open_workspace_folder().resolved
        settings, notes = [one for one in resolved.settings() if of in one.name], resolved.notes
        if not settings:
            raise ConfigError(f"{of}: no setting of kq.yaml has this in its name", hint="kq config show")
    if as_json:
        plain = [
            {
                "field": one.name,
                "value": one.value,
                "from": one.origin,
                "default": one.default,
                "meaning": one.meaning,
                "permitted": one.permitted,
            }
            for one in settings
        ]
        print_json(plain)
        return
    rows = [
        (one.name, value_text(one.value), origin_of(one.origin, one.value == one.default, value_text(one.default)))
        for one in settings
    ]
    head, *lines = text_table(["setting", "value", "from"], rows).splitlines()
    width = terminal_width()
    told = [f"{one.meaning} [{one.permitted}]" if one.permitted else one.meaning for one in settings]
    wrapped = [textwrap.indent(textwrap.fill(text, width - len(INDENT)) if width else text, INDENT) for text in told]
    print_lines([head, *(text for pair in zip(lines, wrapped, strict=True) for text in pair), *notes])


@app.command(short_help="Print every field of a YAML file: default, permitted values, unit, meaning.")
def fields(kind: Kind = "kq", as_json: AsJson = False) -> None:
    """Example: kq config fields strategy

    Print every field that kq.yaml, a recipe or a strategy may have: its default, permitted values, unit and meaning;
    or every column of the files that kq writes. Needs no workspace.
    """
    from kronos_quant.workflows.fields import COLUMNS, list_fields, table_rows

    found = list_fields(kind)
    if as_json:
        print_json([one.as_dict() for one in found])
    else:
        print_table(COLUMNS, table_rows(found))


def origin_of(origin: str, same: bool, default: str) -> str:
    """Where a value came from, and the default where it is another."""
    return origin if same else f"{origin} (default {default})"
