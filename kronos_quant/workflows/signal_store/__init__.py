"""The store of signals, looked at, compared, tidied, filled and emptied, without computing any."""

from kronos_quant.workflows.signal_store.keeping import PruneReport, StoredRecipe, list_signals, prune_signals
from kronos_quant.workflows.signal_store.looking import diff_signals, show_signals
from kronos_quant.workflows.signal_store.moving import ImportReport, export_signals, import_signals

__all__ = [
    "ImportReport",
    "PruneReport",
    "StoredRecipe",
    "diff_signals",
    "export_signals",
    "import_signals",
    "list_signals",
    "prune_signals",
    "show_signals",
]
