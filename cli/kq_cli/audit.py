"""kq audit."""

from pathlib import Path
from typing import Annotated

import typer

from kq_cli.options import AsJson
from kq_cli.printing import print_report

Advisories = Annotated[
    Path | None, typer.Option("--advisories", help="File in the format of OSV: JSON, JSON lines or all.zip of osv.dev.")
]


def audit(advisories: Advisories = None, as_json: AsJson = False) -> None:
    """Example: kq audit --advisories all.zip

    Compare the installed packages with a file of published advisories, and show the date of its newest one. Nothing is
    downloaded: without a file the answer is "not audited". Exits with 3 when an installed package is affected.
    """
    from kronos_quant.workflows.audit import audit_packages

    report = audit_packages(advisories)
    print_report(report, as_json)
    report.enforce()
