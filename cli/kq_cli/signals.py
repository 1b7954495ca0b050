"""kq signal."""

from typing import Annotated

import typer

from kq_cli.options import AsJson, Day, Device, End, Recipe, Start
from kq_cli.printing import print_json, print_lines, print_records

Top = Annotated[int, typer.Option("--top", min=0, help="How many symbols of the last date to print.")]


def signal(
    date: Day = None,
    start: Start = None,
    end: End = None,
    recipe: Recipe = "default",
    device: Device = "auto",
    top: Top = 10,
    as_json: AsJson = False,
) -> None:
    """Example: kq signal --date 2025-06-05

    Compute the signals of a session, or of a range with --start and --end, into the signal store; what is there
    already is not computed again. Prints the best symbols of the last date.
    """
    from kronos_quant.jobs.signals import one_range, run_signals
    from kronos_quant.workspace import open_workspace

    first, last = one_range(date, start, end)
    summary = run_signals(open_workspace(), recipe, first, last, device)
    if as_json:
        print_json(summary.as_dict(top))
    else:
        print_records(summary.best(top))
        print_lines(summary.lines())
