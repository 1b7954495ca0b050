"""kq config."""

import typer

from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Example: kq config show\n\nThe workspace's configuration.")


@app.command(short_help="Every field, its value and where it came from.")
def show(as_json: AsJson = False) -> None:
    """Example: kq config show

    Print every field of kq.yaml, its value and where it came from: flag, environment, file or default.
    """
    from kronos_quant.workspace import open_workspace_folder

    rows = open_workspace_folder().resolved.rows()
    if as_json:
        print_json([{"field": field, "value": value, "from": origin} for field, value, origin in rows])
    else:
        print_table(["field", "value", "from"], rows)


@app.callback()
def group() -> None:
    """Keep `show` a sub-command."""
