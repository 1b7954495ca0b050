"""kq snapshot."""

from typing import Annotated

import typer

from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_lines, print_records

app = typer.Typer(no_args_is_help=True, help="Example: kq snapshot list\n\nThe published states of the bars.")

Keep = Annotated[int, typer.Option("--keep", min=1, help="How many of the newest stay in any case.")]


@app.command("list", short_help="What snapshots there are, and who needs them.")
def list_(as_json: AsJson = False) -> None:
    """Example: kq snapshot list

    Print the published snapshots, newest first: bars, span, size, the number of runs that name each, and whether it is
    open somewhere.
    """
    from kronos_quant.market import list_snapshots
    from kronos_quant.workspace import open_workspace_folder

    snapshots = list_snapshots(open_workspace_folder().root)
    if as_json:
        print_json([one.as_dict() for one in snapshots])
    else:
        print_records([one.row() for one in snapshots])
        print_lines([] if snapshots else ["no snapshots: nothing has been ingested"])


@app.command(short_help="Remove old snapshots that nobody needs.")
def prune(keep: Keep = 3, as_json: AsJson = False) -> None:
    """Example: kq snapshot prune --keep 3

    Remove old snapshots. The current one stays, and the newest ones, those that a run's manifest names, and those that
    are open somewhere.
    """
    from kronos_quant.market import prune_snapshots
    from kronos_quant.workspace import open_workspace_folder

    pruned = prune_snapshots(open_workspace_folder().root, keep)
    print_json(pruned.as_dict()) if as_json else print_lines(pruned.lines())
