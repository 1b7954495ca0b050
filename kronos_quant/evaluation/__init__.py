"""What scores were worth, on returns they had not seen, beside what costs nothing to know."""

from kronos_quant.evaluation.contender import Contender, Distribution, raw_distribution, stored_contender
from kronos_quant.evaluation.correlation import ic, rank_correlation, rank_ic
from kronos_quant.evaluation.grid import MarketGrid, forward_returns, history_start, make_grid
from kronos_quant.evaluation.independent import MeanEstimate, estimate_mean
from kronos_quant.evaluation.interval import MeanInterval, dates_needed, mean_interval, newey_west
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
    "MeanEstimate",
    "MeanInterval",
    "Scorecard",
    "dates_needed",
    "estimate_mean",
    "forward_returns",
    "history_start",
    "ic",
    "make_grid",
    "make_scorecard",
    "mean_interval",
    "newey_west",
    "rank_correlation",
    "rank_ic",
    "raw_distribution",
    "stored_contender",
]
