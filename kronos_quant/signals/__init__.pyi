from .comparison import SignalComparison, compare_signals
from .export import attach_signals, qlib_series
from .importing import ImportReport
from .library import SignalPruning, StoreEntry
from .recipe import ZERO_SHOT, Recipe, Weights, find_weights, zero_shot_name
from .result import Signals, StoredSignals
from .scorer import score_devices
from .scores import LEVELS, SCORES
from .source import BlendSource, ComputedSource, ImportedSource, SignalSource, open_computed, open_source
from .store import SignalFolder, SignalStore
from .table import ScoreTable, read_score_table

__all__ = [
    "LEVELS",
    "SCORES",
    "ZERO_SHOT",
    "BlendSource",
    "ComputedSource",
    "ImportReport",
    "ImportedSource",
    "Recipe",
    "ScoreTable",
    "SignalComparison",
    "SignalFolder",
    "SignalPruning",
    "SignalSource",
    "SignalStore",
    "Signals",
    "StoreEntry",
    "StoredSignals",
    "Weights",
    "attach_signals",
    "compare_signals",
    "find_weights",
    "open_computed",
    "open_source",
    "qlib_series",
    "read_score_table",
    "score_devices",
    "zero_shot_name",
]
