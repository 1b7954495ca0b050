"""kq snapshot."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_lines, print_records, print_report
from kronos_quant.bounds import MOST_SYMBOLS

app = typer.Typer(no_args_is_help=True, help="Example: kq snapshot list\n\nPublished snapshots of the bars.")

Keep = Annotated[
    int, typer.Option("--keep", min=1, max=MOST_SYMBOLS, help="Number of newest snapshots to keep in any case.")
]


@app.command("list", short_help="List published snapshots and their users.")
def list_(as_json: AsJson = False) -> None:
    """Example: kq snapshot list

    List published snapshots, newest first: bars, span, size, number of runs that use it, and whether a reader has it
    open.
    """
    from kronos_quant.market import list_snapshots

    snapshots = list_snapshots(kq.open().root)
    if as_json:
        print_json([one.as_dict() for one in snapshots])
    else:
        print_records([one.row() for one in snapshots])
        print_lines([] if snapshots else ["no snapshots: no bars have been ingested"])


@app.command(short_help="Delete unused old snapshots.")
def prune(keep: Keep = 3, as_json: AsJson = False) -> None:
    """Example: kq snapshot prune --keep 3

    Delete old snapshots, except the current one, the newest ones, those that a run's manifest names, and those that a
    reader has open.
    """
    from kronos_quant.market import prune_snapshots

    print_report(prune_snapshots(kq.open().root, keep), as_json)
