"""kq evaluate."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson, End, Start
from kq_cli.printing import print_json, print_lines, print_records

Recipe = Annotated[str, typer.Argument(help="Recipe: a name in signals/ or a file.")]
Universe = Annotated[
    str | None, typer.Option("--universe", help="Universe whose constituents are evaluated; default: the recipe's.")
]
Against = Annotated[list[str] | None, typer.Option("--against", help="Another recipe to compare with; repeatable.")]
ZeroShot = Annotated[
    bool | None,
    typer.Option(
        "--zero-shot/--no-zero-shot",
        help="Also evaluate the zero-shot (base) model. Default: only if it takes less than 10 minutes.",
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

    Evaluate stored signals: rank IC with confidence interval, comparison with momentum, reversal, LightGBM and the
    zero-shot model, calibration, break-even cost. Writes a page with charts, metrics.json and tables to
    runs/evaluate/. Computes no signals except the zero-shot ones, once; reports the sessions without signals.
    """
    report = kq.open().evaluate(
        recipe, start=start, end=end, universe=universe, against=against or (), zero_shot=zero_shot
    )
    if as_json:
        print_json(report.metrics | {"folder": report.folder})
    else:
        print_lines([*report.head(), ""])
        print_records(report.rows())
        print_lines(["", *report.lines()])
