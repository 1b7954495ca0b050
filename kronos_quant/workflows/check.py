"""`kq check`: every rule on the stored bars, and the page."""

from __future__ import annotations

from kronos_quant.inputs import PathLike, as_new_page, as_path
from kronos_quant.market.quality.checks import all_checks
from kronos_quant.market.quality.survey import CheckReport, survey
from kronos_quant.market.reader import workspace_market
from kronos_quant.workspace import WorkspaceFolder


def run_check(workspace: WorkspaceFolder, page: PathLike | None = None, checks: PathLike | None = None) -> CheckReport:
    """Check the stored bars with the package's checks and the workspace's; the database is not opened.

    Gates are evaluated, not enforced: see `CheckReport.enforce_gates`.

    Parameters
    ----------
    workspace
        Whose newest snapshot to check.
    page
        Where to write an HTML page.
    checks
        A folder of checks to use instead of the workspace's db/checks.

    Raises
    ------
    DataError
        Where nothing was ingested or a check cannot be run.
    ConfigError
        For a gate on an unknown rule.
    """
    out = None if page is None else as_new_page(page, "page")
    rules = all_checks(workspace.root, None if checks is None else as_path(checks, "checks"))
    found = survey(workspace_market(workspace), rules, workspace.config.gates)
    if out is not None:
        from kronos_quant.report.pages.quality import write_quality_page

        write_quality_page(out, found)
    return CheckReport(found, out)
