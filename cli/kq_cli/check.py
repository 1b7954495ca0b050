"""kq check."""

from pathlib import Path
from typing import Annotated

import typer

from kq_cli.options import AsJson
from kq_cli.printing import print_report

Html = Annotated[Path | None, typer.Option("--html", help="Write one page with pictures of the worst symbols here.")]
Checks = Annotated[Path | None, typer.Option("--checks", help="A folder of own checks; default: db/checks.")]


def check(html: Html = None, checks: Checks = None, as_json: AsJson = False) -> None:
    """Example: kq check --html quality.html

    Run every rule (the package's, and the SQL files in the workspace's db/checks) on the stored bars, and report what
    was found and what ingests rejected, by rule and symbol. Exits with 3 when a gate of kq.yaml fails.
    """
    from kronos_quant.workflows.check import run_check
    from kronos_quant.workspace import open_workspace_folder

    report = run_check(open_workspace_folder(), html, checks)
    print_report(report, as_json)
    report.enforce_gates()
