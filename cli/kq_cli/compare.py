"""kq compare."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson
from kq_cli.printing import print_report

Runs = Annotated[list[str], typer.Argument(help="Ids in runs/backtest/, their beginnings, or folders.")]


def compare(runs: Runs, as_json: AsJson = False) -> None:
    """Example: kq compare 20250605-101500123-a1b2 20250606

    Compare back-tests: figures, differences in settings, and whether the daily returns differ significantly from those
    of the first run. Writes a page with curves, figures.csv and metrics.json to runs/compare/.
    """
    print_report(kq.open().compare(*runs), as_json)
