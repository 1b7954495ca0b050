from .calibration import (
    CALIBRATED,
    CALIBRATED_PATH,
    CALIBRATED_RISE,
    Calibrated,
    Calibration,
    calibrate,
)
from .comparison import Comparison, compare
from .export import attach_signals, qlib_series, write_export
from .generate import Plan, generate, make_plan, sessions_between
from .importing import ForeignSignals, check_name, read_foreign, store_foreign
from .moments import MOMENT, DecisionPoints, Moments
from .outcomes import Outcomes, realised_outcomes
from .own_score import OwnScore, check_allowed, find_own_score
from .reading import blended_rows, finished_rows, sessions_needed
from .recipe import (
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
from .result import Signals, StoredSignals
from .scorer import score_devices
from .scores import (
    ERROR_OF,
    LEVELS,
    PATH_QUANTILES,
    QUANTILES,
    SCORES,
    published_score,
    score_paths,
)
from .source import (
    BlendSource,
    ComputedSource,
    ImportedSource,
    SignalSource,
    open_computed,
    open_source,
)
from .store import Note, SignalFolder, SignalStore, stored_folders
from .table import ScoreTable, read_market_scores, read_score_table
from .weights import Weights, find_weights

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
    "ScoreTable",
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
    "read_market_scores",
    "read_score_table",
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
