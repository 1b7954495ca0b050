"""kq demo."""

from pathlib import Path
from typing import Annotated

import typer

from kq_cli.options import Folder
from kq_cli.printing import print_lines

Strength = Annotated[
    float, typer.Option("--strength", min=0, max=1, help="Strength of the hidden pattern, 0 to 1; 0 means no pattern.")
]


def demo(folder: Folder = Path("kq-demo"), strength: Strength = 0.2) -> None:
    """Example: kq demo

    Run the full pipeline on a synthetic market, offline, in about two minutes on a laptop's CPU: make bars with a
    known weak pattern, train a small Kronos from scratch, write signals for dates it has not seen, back-test, and
    report the result. --strength 0 removes the pattern; no edge should be found.
    """
    from kronos_quant.workflows.demo import run_demo

    print_lines(run_demo(folder, strength).lines())
