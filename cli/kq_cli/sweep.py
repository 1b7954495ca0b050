"""kq sweep."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.backtest import NoCompute, StrategyFile
from kq_cli.options import AsJson, Device
from kq_cli.printing import print_json

Grid = Annotated[list[str], typer.Option("--grid", help="Setting and its values, e.g. topk=20,50,100; repeatable.")]

RayAddress = Annotated[
    str | None, typer.Option("--ray", help="Run on the Ray cluster at this address; local: start one on this machine.")
]


def sweep(
    strategy: StrategyFile,
    grid: Grid,
    ray: RayAddress = None,
    no_compute: NoCompute = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Example: kq sweep strategies/topk.yaml --grid topk=20,50,100 --grid n_drop=1,5,10

    Run every combination of a grid of settings on all cores, or on a Ray cluster. Writes all trials and heat maps to
    runs/sweep/, and adjusts the best result for the number of trials; run the same command to resume an interrupted
    sweep.
    """
    summary = kq.open().sweep(strategy, grid, device=device, compute=not no_compute, ray=ray)
    if as_json:
        print_json(summary.as_dict())
    else:
        typer.echo("\n".join(summary.lines()))
