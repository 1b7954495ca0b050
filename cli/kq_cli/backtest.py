"""kq backtest."""

from typing import Annotated

import typer

from kq_cli.options import AsJson, Device
from kq_cli.printing import print_json

StrategyFile = Annotated[str, typer.Argument(help="A strategy file, or its name in strategies/.")]
NoCompute = Annotated[bool, typer.Option("--no-compute", help="Refuse when signals of the range are missing.")]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Run the Python file that a strategy names.")]


def backtest(
    strategy: StrategyFile,
    no_compute: NoCompute = False,
    allow_code: AllowCode = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Example: kq backtest strategies/topk.yaml

    Run a strategy on the signals of its recipe; signals of its range that are missing are computed first. Leaves
    orders, fills, positions, returns, figures, a picture and a tearsheet in runs/backtest/.
    """
    from kronos_quant.workflows.backtest import run_backtest
    from kronos_quant.workspace import open_workspace_folder

    summary = run_backtest(open_workspace_folder(), strategy, device, compute=not no_compute, allow_code=allow_code)
    if as_json:
        print_json(summary.metrics | {"folder": summary.folder})
    else:
        typer.echo(summary.head)
        typer.echo(f"tearsheet: {summary.tearsheet}")
