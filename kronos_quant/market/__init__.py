"""Bars, instruments, universes, sessions and exchange rules: from any source to one checked, published market.

Writing: `ingest_qlib`, `ingest_csv`, `ingest_synthetic`, `store_bars`. Reading: `open_market`, which never touches the
database and therefore never waits for an ingest.
"""

from kronos_quant.market.database import DB_FOLDER
from kronos_quant.market.exchanges import TradingRules, rules_panel, trading_rules
from kronos_quant.market.ingest import ingest_csv, ingest_qlib, ingest_synthetic
from kronos_quant.market.ingest.synthetic import MadeMarket, SyntheticSpec, make_market
from kronos_quant.market.quality import Check, iter_checks
from kronos_quant.market.reader import Market, open_market
from kronos_quant.market.report import IngestReport
from kronos_quant.market.sessions import FutureTimes, next_times
from kronos_quant.market.snapshots import Snapshot
from kronos_quant.market.store import Batch, store_bars
from kronos_quant.market.symbols import canonical, exchange_of

__all__ = [
    "DB_FOLDER",
    "Batch",
    "Check",
    "FutureTimes",
    "IngestReport",
    "MadeMarket",
    "Market",
    "Snapshot",
    "SyntheticSpec",
    "TradingRules",
    "canonical",
    "exchange_of",
    "ingest_csv",
    "ingest_qlib",
    "ingest_synthetic",
    "iter_checks",
    "make_market",
    "next_times",
    "open_market",
    "rules_panel",
    "store_bars",
    "trading_rules",
]
