"""`kq ingest`: read bars, universes and dated facts into a workspace.

The functions of `kronos_quant.market.ingest` with the workspace's settings as defaults.
"""

from __future__ import annotations

from kronos_quant import market
from kronos_quant.inputs import PathLike
from kronos_quant.inputs import Table as InMemory
from kronos_quant.market import IngestReport, ListReport
from kronos_quant.market.ingest.tables import Table
from kronos_quant.schema import DAILY
from kronos_quant.workspace import WorkspaceFolder


def ingest_qlib(
    workspace: WorkspaceFolder,
    source: PathLike | None = None,
    *,
    freq: str = DAILY,
    exchange: str | None = None,
    labels: str = "end",
) -> IngestReport:
    """Read a Qlib directory into a workspace; see `market.ingest_qlib`.

    Parameters
    ----------
    workspace
        Where to store the bars.
    source, exchange
        Default: market.qlib_dir and market.exchange of kq.yaml.
    freq, labels
        Which calendar to read ("day", "5min", ...), and whether intraday stamps mark the "end" or "start" of a bar.
    """
    settings = workspace.config.market
    directory = settings.qlib_dir if source is None else source
    return market.ingest_qlib(
        workspace.root, directory, freq=freq, exchange=_exchange(workspace, exchange), labels=labels
    )


def ingest_csv(
    workspace: WorkspaceFolder,
    source: PathLike,
    *,
    symbol: str | None = None,
    amount: str = "derive",
    labels: str = "end",
    exchange: str | None = None,
) -> IngestReport:
    """Read a CSV file (also .gz, .zst), or a folder of them, into a workspace; see `market.ingest_csv`.

    Parameters
    ----------
    workspace, source
        Where to store the bars, and the file or folder.
    symbol, amount, labels
        Symbol of a single file; "derive", "zero" or "as_is"; "end" or "start".
    exchange
        ISO code; default: market.exchange of kq.yaml.
    """
    named = _exchange(workspace, exchange)
    return market.ingest_csv(workspace.root, source, symbol=symbol, exchange=named, amount=amount, labels=labels)


def ingest_table(
    workspace: WorkspaceFolder,
    source: Table,
    *,
    symbol: str | None = None,
    amount: str = "derive",
    labels: str = "end",
    exchange: str | None = None,
) -> IngestReport:
    """Read a table in memory, or Parquet, Arrow or Feather files, into a workspace; see `market.ingest_table`.

    Parameters
    ----------
    workspace, source
        Where to store the bars, and the table, file or folder.
    symbol, amount, labels, exchange
        As for `ingest_csv`.
    """
    named = _exchange(workspace, exchange)
    return market.ingest_table(workspace.root, source, symbol=symbol, exchange=named, amount=amount, labels=labels)


def ingest_synthetic(
    workspace: WorkspaceFolder, *, strength: float = 0.2, symbols: int = 150, sessions: int = 800, seed: int = 0
) -> IngestReport:
    """Generate a synthetic market with a known pattern in a workspace; see `market.ingest_synthetic`.

    Parameters
    ----------
    workspace
        Where to store the bars.
    strength, symbols, sessions, seed
        Of the pattern, 0 to 1; number of stocks and of sessions; equal arguments give equal bars.
    """
    return market.ingest_synthetic(workspace.root, strength=strength, symbols=symbols, sessions=sessions, seed=seed)


def ingest_universe(workspace: WorkspaceFolder, name: str, source: PathLike | InMemory) -> ListReport:
    """Read the constituents of a universe by date; see `market.ingest_universe`.

    Parameters
    ----------
    workspace, name
        Where to store it, under which name.
    source
        A CSV file or a table with symbol, start and end.
    """
    return market.ingest_universe(workspace.root, name, source)


def ingest_intervals(workspace: WorkspaceFolder, kind: str, source: PathLike | InMemory) -> ListReport:
    """Read dated facts about symbols; see `market.ingest_intervals`.

    Parameters
    ----------
    workspace, kind
        Where to store them, and st, listing or industry.
    source
        A CSV file or a table with symbol, start, end and, for industry, value.
    """
    return market.ingest_intervals(workspace.root, kind, source)


def _exchange(workspace: WorkspaceFolder, exchange: str | None) -> str:
    return workspace.config.market.exchange if exchange is None else exchange
