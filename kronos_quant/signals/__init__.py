"""Recipes, scores of the sample paths, and the store of what was computed."""

from kronos_quant.signals.generate import Plan, generate, make_plan
from kronos_quant.signals.recipe import Recipe, ResolvedRecipe, resolve_recipe
from kronos_quant.signals.scores import SCORES, score_paths
from kronos_quant.signals.store import SignalStore
from kronos_quant.signals.weights import Weights, find_weights

__all__ = [
    "SCORES",
    "Plan",
    "Recipe",
    "ResolvedRecipe",
    "SignalStore",
    "Weights",
    "find_weights",
    "generate",
    "make_plan",
    "resolve_recipe",
    "score_paths",
]
