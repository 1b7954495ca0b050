"""What became of stored bars: told at an ingest (`reconcile`), read from the published snapshot (`published`)."""

from kronos_quant.market.history.published import SymbolHistory, read_history, symbol_history

__all__ = ["SymbolHistory", "read_history", "symbol_history"]
