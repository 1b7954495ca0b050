"""kq evaluate."""

from typing import Annotated

import typer

from kq_cli.options import AsJson, End, Start, days
from kq_cli.printing import print_json, print_lines, print_records

Recipe = Annotated[str, typer.Argument(help="A recipe: its name in signals/ or its file.")]
Universe = Annotated[str | None, typer.Option("--universe", help="Whose members count; default: the recipe's.")]
Against = Annotated[list[str] | None, typer.Option("--against", help="Another recipe beside it; repeatable.")]
ZeroShot = Annotated[
    bool | None,
    typer.Option(
        "--zero-shot/--no-zero-shot",
        help="The model that training began from beside it, where it is; default: unless that takes over 10 minutes.",
    ),
]


def evaluate(
    recipe: Recipe = "default",
    start: Start = None,
    end: End = None,
    universe: Universe = None,
    against: Against = None,
    zero_shot: ZeroShot = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq evaluate default --against mine

    Say what stored signals are worth: whether they rank the returns that followed better than chance, and better than
    momentum, reversal, boosted trees and the model before it was trained further; whether their probabilities are
    true; what a trade may cost. Leaves a page with pictures, metrics.json and tables in runs/evaluate/. Computes no
    signals but the zero-shot ones, once; names those that are missing.
    """
    from kronos_quant.workflows.evaluate import run_evaluation
    from kronos_quant.workspace import open_workspace_folder

    first, last = days(start, end)
    report = run_evaluation(
        open_workspace_folder(), recipe, first, last, universe, against or (), beside_base=zero_shot
    )
    if as_json:
        print_json(report.as_dict())
    else:
        print_lines([*report.head(), ""])
        print_records(report.rows())
        print_lines(["", *report.lines()])
