"""What scores were worth, on returns they had not seen, beside what costs nothing to know."""

from kronos_quant.evaluation.contender import Contender, Distribution, raw_distribution, stored_contender
from kronos_quant.evaluation.grid import MarketGrid, history_start, make_grid
from kronos_quant.evaluation.scorecard import ContenderCard, Scorecard, make_scorecard
from kronos_quant.evaluation.slices import Boundary
from kronos_quant.evaluation.verdict import EDGE, Finding

__all__ = [
    "EDGE",
    "Boundary",
    "Contender",
    "ContenderCard",
    "Distribution",
    "Finding",
    "MarketGrid",
    "Scorecard",
    "history_start",
    "make_grid",
    "make_scorecard",
    "raw_distribution",
    "stored_contender",
]
