"""kq demo."""

from pathlib import Path
from typing import Annotated

import typer

from kq_cli.options import Folder
from kq_cli.printing import print_lines

Strength = Annotated[
    float, typer.Option("--strength", min=0, max=1, help="Of the pattern in the made market; 0: none to find.")
]


def demo(folder: Folder = Path("kq-demo"), strength: Strength = 0.2) -> None:
    """Example: kq demo

    The whole path on a made market, offline, in about two minutes on a laptop's CPU: make bars with a known weak
    pattern, train a small Kronos from scratch, write signals for dates it has not seen, back-test, and say what was
    found. With --strength 0 there is nothing to find, and it says so.
    """
    from kronos_quant.workflows.demo import run_demo

    print_lines(run_demo(folder, strength).lines())
