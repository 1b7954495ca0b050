"""What scores are worth on returns that followed, next to baselines that cost nothing."""

from kronos_quant.evaluation.cards import ContenderCard
from kronos_quant.evaluation.contender import Contender, Distribution, raw_distribution, stored_contender
from kronos_quant.evaluation.grid import MarketGrid, history_start, make_grid
from kronos_quant.evaluation.scorecard import Scorecard, make_scorecard
from kronos_quant.evaluation.slices import Boundary
from kronos_quant.evaluation.verdict import EDGE, Verdict

__all__ = [
    "EDGE",
    "Boundary",
    "Contender",
    "ContenderCard",
    "Distribution",
    "MarketGrid",
    "Scorecard",
    "Verdict",
    "history_start",
    "make_grid",
    "make_scorecard",
    "raw_distribution",
    "stored_contender",
]
