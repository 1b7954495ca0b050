"""Causal steps from a raw score to the one that ranks; each is named in the recipe and applied when reading."""

from kronos_quant.signals.steps.applying import apply_steps, history_needed
from kronos_quant.signals.steps.cross_section import neutralise, rank, winsorise, zscore
from kronos_quant.signals.steps.exposures import EXPOSURES, Exposures
from kronos_quant.signals.steps.settings import Exposure, Neutralise, Rank, Smooth, Step, Winsorise, ZScore
from kronos_quant.signals.steps.smoothing import smooth

__all__ = [
    "EXPOSURES",
    "Exposure",
    "Exposures",
    "Neutralise",
    "Rank",
    "Smooth",
    "Step",
    "Winsorise",
    "ZScore",
    "apply_steps",
    "history_needed",
    "neutralise",
    "rank",
    "smooth",
    "winsorise",
    "zscore",
]
