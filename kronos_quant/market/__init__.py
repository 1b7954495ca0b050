"""Bars, instruments, universes, sessions and exchange rules: from any source to one checked, published market.

Writing: `ingest_qlib`, `ingest_csv`, `ingest_table`, `ingest_synthetic`, `store_bars`, and the lists that a source of
bars does not carry: `ingest_universe`, `ingest_intervals`, `ingest_weights`, `ingest_calendar`, `ingest_dividends`.
Reading: `open_market`, which never opens the database and therefore never waits for an ingest.
"""

from kronos_quant.market.calendars import FutureTimes, TradingCalendar, next_times
from kronos_quant.market.dropping import DropReport, drop_bars
from kronos_quant.market.exchanges.boards import Facts
from kronos_quant.market.export import ExportReport, export_bars
from kronos_quant.market.history import SymbolHistory, read_history, symbol_history
from kronos_quant.market.ingest import (
    IngestPreview,
    ingest_calendar,
    ingest_csv,
    ingest_dividends,
    ingest_intervals,
    ingest_qlib,
    ingest_synthetic,
    ingest_table,
    ingest_universe,
    ingest_weights,
    preview,
)
from kronos_quant.market.ingest.calendars import CalendarReport
from kronos_quant.market.ingest.dividends import DividendReport
from kronos_quant.market.ingest.lists import ListReport
from kronos_quant.market.ingest.synthetic import SyntheticMarket, SyntheticSpec, make_market
from kronos_quant.market.ingest_report import IngestReport
from kronos_quant.market.quality.checks import iter_checks
from kronos_quant.market.reader import Market, open_market, workspace_market
from kronos_quant.market.retention import SnapshotPruneReport, StoredSnapshot, list_snapshots, prune_snapshots
from kronos_quant.market.store import BarBatch, store_bars
from kronos_quant.market.symbols import canonical, canonical_column
from kronos_quant.market.universes import Membership

__all__ = [
    "BarBatch",
    "CalendarReport",
    "DividendReport",
    "DropReport",
    "ExportReport",
    "Facts",
    "FutureTimes",
    "IngestPreview",
    "IngestReport",
    "ListReport",
    "Market",
    "Membership",
    "SnapshotPruneReport",
    "StoredSnapshot",
    "SymbolHistory",
    "SyntheticMarket",
    "SyntheticSpec",
    "TradingCalendar",
    "canonical",
    "canonical_column",
    "drop_bars",
    "export_bars",
    "ingest_calendar",
    "ingest_csv",
    "ingest_dividends",
    "ingest_intervals",
    "ingest_qlib",
    "ingest_synthetic",
    "ingest_table",
    "ingest_universe",
    "ingest_weights",
    "iter_checks",
    "list_snapshots",
    "make_market",
    "next_times",
    "open_market",
    "preview",
    "prune_snapshots",
    "read_history",
    "store_bars",
    "symbol_history",
    "workspace_market",
]
