from .calibration import CALIBRATED, CALIBRATED_PATH, Calibration, calibrate
from .comparison import SignalComparison, compare_signals
from .export import attach_signals, qlib_series, write_export
from .generate import Plan, generate, make_plan, sessions_between
from .importing import ImportReport
from .library import RecipeSet, SignalPruning, StoreEntry, list_stored, open_recipes, prune_store, read_stored
from .moments import MOMENT, DecisionPoints, Moments
from .reading import blended_rows, finished_rows, realised_returns, sessions_needed
from .recipe import (
    ZERO_SHOT,
    BlendedRecipe,
    ComputedRecipe,
    ImportedRecipe,
    Recipe,
    ResolvedRecipe,
    Weights,
    find_weights,
    resolve_blend,
    resolve_imported,
    resolve_recipe,
    zero_shot_name,
)
from .result import Signals, StoredSignals
from .scorer import score_devices
from .scores import LEVELS, PATH_QUANTILES, SCORES
from .source import BlendSource, ComputedSource, ImportedSource, SignalSource, open_computed, open_source
from .store import Note, SignalFolder, SignalStore, stored_folders
from .table import ScoreTable, read_market_scores, read_score_table

__all__ = [
    "CALIBRATED",
    "CALIBRATED_PATH",
    "LEVELS",
    "MOMENT",
    "PATH_QUANTILES",
    "SCORES",
    "ZERO_SHOT",
    "BlendSource",
    "BlendedRecipe",
    "Calibration",
    "ComputedRecipe",
    "ComputedSource",
    "DecisionPoints",
    "ImportReport",
    "ImportedRecipe",
    "ImportedSource",
    "Moments",
    "Note",
    "Plan",
    "Recipe",
    "RecipeSet",
    "ResolvedRecipe",
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
    "blended_rows",
    "calibrate",
    "compare_signals",
    "find_weights",
    "finished_rows",
    "generate",
    "list_stored",
    "make_plan",
    "open_computed",
    "open_recipes",
    "open_source",
    "prune_store",
    "qlib_series",
    "read_market_scores",
    "read_score_table",
    "read_stored",
    "realised_returns",
    "resolve_blend",
    "resolve_imported",
    "resolve_recipe",
    "score_devices",
    "sessions_between",
    "sessions_needed",
    "stored_folders",
    "write_export",
    "zero_shot_name",
]
