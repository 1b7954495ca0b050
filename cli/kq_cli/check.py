"""kq check."""

from pathlib import Path
from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson
from kq_cli.printing import print_report

Html = Annotated[Path | None, typer.Option("--html", help="Write an HTML page with charts of the worst symbols.")]
Checks = Annotated[Path | None, typer.Option("--checks", help="Folder of your own checks; default: db/checks.")]


def check(html: Html = None, checks: Checks = None, as_json: AsJson = False) -> None:
    """Example: kq check --html quality.html

    Run all rules (the package's and the SQL files in db/checks) on the stored bars; report warnings and rejected bars
    by rule and symbol. Exits with 3 when a gate of kq.yaml fails.
    """
    report = kq.open().check(html, checks)
    print_report(report, as_json)
    report.enforce_gates()
