"""`kq signal list`, `show`, `diff`, `prune` and `export`: the signal store, without computing anything."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from kronos_quant.errors import ConfigError, counted
from kronos_quant.inputs import DateLike, PathLike, as_date, as_form, as_path
from kronos_quant.market import workspace_market
from kronos_quant.schema import check_table
from kronos_quant.signals import SignalComparison, SignalPruning, StoredSignals, StoreEntry, compare_signals
from kronos_quant.signals.export import FORMATS, write_export
from kronos_quant.signals.library import list_stored, open_recipes, prune_store, read_stored
from kronos_quant.signals.result import estimated_lines
from kronos_quant.workspace import WorkspaceFolder


def list_signals(workspace: WorkspaceFolder) -> list[StoreEntry]:
    """Everything in the store: what it is, what it covers, and whether it is complete and of today's bars."""
    return list_stored(workspace, workspace_market(workspace))


def show_signals(
    workspace: WorkspaceFolder, recipe: str = "default", date: DateLike | dt.datetime | None = None
) -> StoredSignals:
    """The stored signals of one moment under a recipe's name or digest.

    Parameters
    ----------
    date : a session, for its last moment; a time within it ("2025-06-05T11:30"), for that moment; None: the newest

    Raises
    ------
    DataError
        where they are not stored, or no longer what they would be.
    """
    on, moment = _session_and_moment(date)
    shown = read_stored(workspace, recipe, workspace_market(workspace), on, on, newest=on is None)
    return shown.at(moment or shown.moments()[-1])


def _session_and_moment(value: DateLike | dt.datetime | None) -> tuple[dt.date | None, dt.datetime | None]:
    if isinstance(value, str) and ("T" in value or " " in value.strip()):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise ConfigError(f"date: expected such as 2025-06-05T11:30, found {value!r}") from None
    if isinstance(value, dt.datetime) and value.time() != dt.time():
        return value.date(), value
    return as_date(value, "date"), None


def diff_signals(
    workspace: WorkspaceFolder,
    first: str,
    second: str,
    start: DateLike | None = None,
    end: DateLike | None = None,
    top: int = 10,
) -> SignalComparison:
    """Compare the stored signals of two recipes, each given by name or digest.

    Parameters
    ----------
    start, end : first and last session; None: as far as the store goes
    top : how many of the largest differences are kept
    """
    market = workspace_market(workspace)
    days = as_date(start, "start"), as_date(end, "end")
    one, other = (read_stored(workspace, name, market, *days) for name in (first, second))
    names = first, second if second != first else f"{second} again"
    return compare_signals(one.ranked(), other.ranked(), names, top)


def prune_signals(
    workspace: WorkspaceFolder, older_than: DateLike | None = None, *, delete: bool = False
) -> SignalPruning:
    """Find stored signals that no recipe refers to, or the sessions before a date, and delete them if asked.

    Parameters
    ----------
    older_than : a date; imports are never pruned by date, for nothing could compute them again
    delete : False only reports
    """
    before = as_date(older_than, "older_than")
    recipes = open_recipes(workspace, workspace_market(workspace)) if before is None else None
    return prune_store(workspace, recipes, before, delete=delete)


def export_signals(
    workspace: WorkspaceFolder,
    out: PathLike,
    recipe: str = "default",
    file_format: str | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
) -> list[str]:
    """Write stored signals to a file that does not exist yet; returns what was done, in words.

    Parameters
    ----------
    recipe : its name or digest
    file_format : parquet, csv, or qlib, see `write_export`; None: csv where `out` ends in .csv, else parquet
    start, end : first and last session; None: as far as the store goes
    """
    path: Path = as_path(out, "out")
    file_format = as_form(file_format, path, FORMATS)
    days = as_date(start, "start"), as_date(end, "end")
    shown = read_stored(workspace, recipe, workspace_market(workspace), *days, by_bar=file_format == "parquet")
    if file_format != "qlib":
        check_table("signals.export", shown.frame)
    write_export(path, shown.frame, shown.score, file_format, shown.moment)  # type: ignore[arg-type]
    dates = shown.frame["date"].unique().sort()
    rows, sessions = counted(shown.frame.height, "signal"), counted(len(dates), "session")
    return [f"{path}: {rows} of {sessions}, {dates[0]} to {dates[-1]}", *estimated_lines(shown.estimated)]
