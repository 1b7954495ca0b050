"""kq parity."""

import typer

import kronos_quant as kq
from kq_cli.backtest import NoCompute, StrategyFile
from kq_cli.options import AsJson, Device
from kq_cli.printing import print_json

NOT_EQUAL = 5
"""The exit code of a comparison that does not hold."""


def parity(
    strategy: StrategyFile, no_compute: NoCompute = False, device: Device = "auto", as_json: AsJson = False
) -> None:
    """Example: kq parity strategies/topk.yaml

    Run a strategy through the engine, the reference ledger and pyqlib, and print the effect of each rule in basis
    points. Exits with 5 if the engine and the reference ledger, or the engine and pyqlib, differ.
    """
    report = kq.open().parity(strategy, device=device, compute=not no_compute)
    if as_json:
        print_json(report.as_dict())
    else:
        typer.echo("\n".join(report.lines()))
    if not report.found.holds:
        raise typer.Exit(NOT_EQUAL)
