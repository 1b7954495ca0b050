"""Bars, instruments, universes, sessions and exchange rules: from any source to one checked, published market.

Writing: `ingest_qlib`, `ingest_csv`, `ingest_table`, `ingest_synthetic`, `store_bars`, and the lists that a source of
bars does not carry: `ingest_universe`, `ingest_intervals`. Reading: `open_market`, which never touches the database and
therefore never waits for an ingest.
"""

from kronos_quant.market.adjust import bars_as_known, corporate_actions, raw_bars, stored_bars
from kronos_quant.market.database import DB_FOLDER
from kronos_quant.market.exchanges import Facts, RulesPanel, TradingRules, rules_panel, trading_rules
from kronos_quant.market.export import ExportReport, export_bars
from kronos_quant.market.history import SymbolHistory, read_history, symbol_history
from kronos_quant.market.ingest import (
    ingest_csv,
    ingest_intervals,
    ingest_qlib,
    ingest_synthetic,
    ingest_table,
    ingest_universe,
)
from kronos_quant.market.ingest.lists import ListReport
from kronos_quant.market.ingest.synthetic import MadeMarket, SyntheticSpec, make_market
from kronos_quant.market.quality.checking import Check, iter_checks
from kronos_quant.market.reader import Market, open_market, workspace_market
from kronos_quant.market.report import IngestReport
from kronos_quant.market.retention import Pruned, StoredSnapshot, list_snapshots, prune_snapshots
from kronos_quant.market.sessions import FutureTimes, next_times
from kronos_quant.market.snapshots import Snapshot
from kronos_quant.market.store import Batch, store_bars
from kronos_quant.market.symbols import canonical, canonical_column, exchange_of
from kronos_quant.market.universes import Membership

__all__ = [
    "DB_FOLDER",
    "Batch",
    "Check",
    "ExportReport",
    "Facts",
    "FutureTimes",
    "IngestReport",
    "ListReport",
    "MadeMarket",
    "Market",
    "Membership",
    "Pruned",
    "RulesPanel",
    "Snapshot",
    "StoredSnapshot",
    "SymbolHistory",
    "SyntheticSpec",
    "TradingRules",
    "bars_as_known",
    "canonical",
    "canonical_column",
    "corporate_actions",
    "exchange_of",
    "export_bars",
    "ingest_csv",
    "ingest_intervals",
    "ingest_qlib",
    "ingest_synthetic",
    "ingest_table",
    "ingest_universe",
    "iter_checks",
    "list_snapshots",
    "make_market",
    "next_times",
    "open_market",
    "prune_snapshots",
    "raw_bars",
    "read_history",
    "rules_panel",
    "store_bars",
    "stored_bars",
    "symbol_history",
    "trading_rules",
    "workspace_market",
]
