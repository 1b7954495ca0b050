"""Validity: is what a back-test earned an edge, or luck, its market, or something that no real account could have?"""

from kronos_quant.validity.attribution import HISTORY, Attribution, Background, ReturnPart, attribute_returns
from kronos_quant.validity.examination import Examination, Legs, examine
from kronos_quant.validity.holdings import universe_returns, without_universe
from kronos_quant.validity.luck import Luck, assess_luck
from kronos_quant.validity.robustness import Capacity, delayed_metrics, estimate_capacity
from kronos_quant.validity.trials import TrialRow, Trials, read_trials, record_trials, trial_key

__all__ = [
    "HISTORY",
    "Attribution",
    "Background",
    "Capacity",
    "Examination",
    "Legs",
    "Luck",
    "ReturnPart",
    "TrialRow",
    "Trials",
    "assess_luck",
    "attribute_returns",
    "delayed_metrics",
    "estimate_capacity",
    "examine",
    "read_trials",
    "record_trials",
    "trial_key",
    "universe_returns",
    "without_universe",
]
