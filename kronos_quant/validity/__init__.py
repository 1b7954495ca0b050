"""Validity: is what a back-test earned an edge, or luck, its market, or something that no real account could have?"""

from kronos_quant.validity.attribution import Attribution, Part, attribution_of
from kronos_quant.validity.capacity import Capacity, Size, capacity_of
from kronos_quant.validity.delay import delayed_metrics
from kronos_quant.validity.examination import Examination, examine
from kronos_quant.validity.exposures import HISTORY, Background, StyleScores, style_scores
from kronos_quant.validity.ledger import TrialRow, Trials, read_trials, record_trials, trial_key
from kronos_quant.validity.legs import Legs, legs_of
from kronos_quant.validity.luck import Luck, luck_of
from kronos_quant.validity.universe import universe_returns, without_universe

__all__ = [
    "HISTORY",
    "Attribution",
    "Background",
    "Capacity",
    "Examination",
    "Legs",
    "Luck",
    "Part",
    "Size",
    "StyleScores",
    "TrialRow",
    "Trials",
    "attribution_of",
    "capacity_of",
    "delayed_metrics",
    "examine",
    "legs_of",
    "luck_of",
    "read_trials",
    "record_trials",
    "style_scores",
    "trial_key",
    "universe_returns",
    "without_universe",
]
