"""`kq check`, `kq universe`, `kq history`, `kq snapshot`, `kq export`: read, check and export the stored bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kronos_quant import market
from kronos_quant.inputs import DateLike, PathLike, Symbols, as_path
from kronos_quant.market import ExportReport, Membership, SnapshotPruneReport, StoredSnapshot, SymbolHistory
from kronos_quant.market.quality.checks import all_checks
from kronos_quant.market.quality.survey import CheckReport, survey
from kronos_quant.market.reader import workspace_market
from kronos_quant.market.retention import KEPT
from kronos_quant.market.universes import ALL
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    import polars as pl


def load_bars(
    workspace: WorkspaceFolder,
    symbols: Symbols | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
    freq: str | None = None,
) -> pl.DataFrame:
    """Bars in schema.BARS; see `Market.bars`.

    Parameters
    ----------
    workspace
        Whose newest snapshot to read.
    symbols
        One symbol or several, in any spelling; all by default.
    start, end
        First and last session date, inclusive.
    freq
        "day", "5min", ...; default: market.freq of kq.yaml, else daily bars where there are any.
    """
    return workspace_market(workspace, freq).bars(symbols, start, end)


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
    rules = all_checks(workspace.root, None if checks is None else as_path(checks, "checks"))
    found = survey(workspace_market(workspace), rules, workspace.config.gates)
    out = None if page is None else as_path(page, "page")
    if out is not None:
        from kronos_quant.report.pages.quality import write_quality_page

        write_quality_page(out, found)
    return CheckReport(found, out)


def list_universe(workspace: WorkspaceFolder, name: str = ALL, date: DateLike | None = None) -> Membership:
    """The constituents of a universe on a date, and which of them have no bars.

    Parameters
    ----------
    workspace
        Whose newest snapshot to read.
    name, date
        "all" or a stored universe, and a date; default: the newest session.
    """
    return workspace_market(workspace).membership(name, date)


def symbol_history(
    workspace: WorkspaceFolder, symbol: str, since: DateLike | None = None, freq: str | None = None
) -> SymbolHistory:
    """How the stored bars of a symbol changed.

    Parameters
    ----------
    workspace
        Whose newest snapshot to read.
    symbol
        In any spelling.
    since
        Only changes recorded on that day (UTC) or later.
    freq
        "day", "5min", ...; default: market.freq of kq.yaml, else daily bars where there are any.
    """
    return market.symbol_history(workspace_market(workspace, freq), symbol, since)


def list_snapshots(workspace: WorkspaceFolder) -> list[StoredSnapshot]:
    """The published snapshots, newest first, damaged ones last."""
    return market.list_snapshots(workspace.root)


def prune_snapshots(workspace: WorkspaceFolder, keep: int = KEPT) -> SnapshotPruneReport:
    """Delete unused snapshots, except the newest `keep`."""
    return market.prune_snapshots(workspace.root, keep)


def export_bars(
    workspace: WorkspaceFolder,
    out: PathLike,
    form: str = "parquet",
    *,
    symbols: Symbols | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
    freq: str | None = None,
) -> ExportReport:
    """Write stored bars to `out`, which must not exist yet; see `market.export_bars`.

    Parameters
    ----------
    workspace
        Whose newest snapshot to read.
    out, form
        Where to write, and "parquet", "csv" or "qlib".
    symbols, start, end, freq
        As for `load_bars`.
    """
    return market.export_bars(workspace_market(workspace, freq), out, form, symbols=symbols, start=start, end=end)
