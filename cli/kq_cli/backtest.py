"""kq backtest."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson, Device
from kq_cli.printing import print_json

StrategyFile = Annotated[str, typer.Argument(help="Strategy file, or its name in strategies/.")]
NoCompute = Annotated[bool, typer.Option("--no-compute", help="Fail where signals of the period are missing.")]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Allow the strategy to run its Python file.")]


def backtest(
    strategy: StrategyFile,
    no_compute: NoCompute = False,
    allow_code: AllowCode = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Example: kq backtest strategies/topk.yaml

    Run a strategy on the signals of its recipe. Missing signals of the period are computed first. Writes orders, fills,
    positions, returns, metrics, a chart and a tearsheet to runs/backtest/.
    """
    run = kq.open().backtest(strategy, device=device, compute=not no_compute, allow_code=allow_code)
    if as_json:
        print_json(run.figures | {"folder": run.folder})
    else:
        typer.echo(run.head)
        typer.echo(f"tearsheet: {run.tearsheet}")
