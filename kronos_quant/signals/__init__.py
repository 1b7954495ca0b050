"""Recipes, scores of the sample paths, the store of what was computed, and what is made of it when it is read."""

from kronos_quant.signals.calibration import (
    CALIBRATED,
    CALIBRATED_PATH,
    CALIBRATED_RISE,
    Calibrated,
    Calibration,
    calibrate,
)
from kronos_quant.signals.comparison import Comparison, compare
from kronos_quant.signals.export import attach_signals, qlib_series, write_export
from kronos_quant.signals.generate import Plan, generate, make_plan, sessions_between
from kronos_quant.signals.importing import ForeignSignals, check_name, read_foreign, store_foreign
from kronos_quant.signals.moments import MOMENT, DecisionPoints, Moments
from kronos_quant.signals.outcomes import Outcomes, realised_outcomes
from kronos_quant.signals.own_score import OwnScore, check_allowed, find_own_score
from kronos_quant.signals.reading import blended_rows, finished_rows, sessions_needed
from kronos_quant.signals.recipe import (
    RANKED,
    ZERO_SHOT,
    BlendedRecipe,
    ComputedRecipe,
    ImportedRecipe,
    Recipe,
    ResolvedRecipe,
    resolve_blend,
    resolve_imported,
    resolve_recipe,
    zero_shot_name,
)
from kronos_quant.signals.result import Signals, StoredSignals
from kronos_quant.signals.scorer import score_devices
from kronos_quant.signals.scores import (
    ERROR_OF,
    LEVELS,
    PATH_QUANTILES,
    QUANTILES,
    SCORES,
    published_score,
    score_paths,
)
from kronos_quant.signals.source import (
    BlendSource,
    ComputedSource,
    ImportedSource,
    SignalSource,
    open_computed,
    open_source,
)
from kronos_quant.signals.store import Note, SignalFolder, SignalStore, stored_folders
from kronos_quant.signals.weights import Weights, find_weights

__all__ = [
    "CALIBRATED",
    "CALIBRATED_PATH",
    "CALIBRATED_RISE",
    "ERROR_OF",
    "LEVELS",
    "MOMENT",
    "PATH_QUANTILES",
    "QUANTILES",
    "RANKED",
    "SCORES",
    "ZERO_SHOT",
    "BlendSource",
    "BlendedRecipe",
    "Calibrated",
    "Calibration",
    "Comparison",
    "ComputedRecipe",
    "ComputedSource",
    "DecisionPoints",
    "ForeignSignals",
    "ImportedRecipe",
    "ImportedSource",
    "Moments",
    "Note",
    "Outcomes",
    "OwnScore",
    "Plan",
    "Recipe",
    "ResolvedRecipe",
    "SignalFolder",
    "SignalSource",
    "SignalStore",
    "Signals",
    "StoredSignals",
    "Weights",
    "attach_signals",
    "blended_rows",
    "calibrate",
    "check_allowed",
    "check_name",
    "compare",
    "find_own_score",
    "find_weights",
    "finished_rows",
    "generate",
    "make_plan",
    "open_computed",
    "open_source",
    "published_score",
    "qlib_series",
    "read_foreign",
    "realised_outcomes",
    "resolve_blend",
    "resolve_imported",
    "resolve_recipe",
    "score_devices",
    "score_paths",
    "sessions_between",
    "sessions_needed",
    "store_foreign",
    "stored_folders",
    "write_export",
    "zero_shot_name",
]
