"""Whether the probabilities of a forecast are true."""

from kronos_quant.evaluation.distribution.ensemble import crps_ensemble, outcome_ranks
from kronos_quant.evaluation.distribution.judging import DistributionCard, Exact, judge_distribution
from kronos_quant.evaluation.distribution.outcomes import (
    PointErrors,
    Reliability,
    brier,
    point_errors,
    reliability,
)
from kronos_quant.evaluation.distribution.quantiles import NOMINAL, ks_distance, pinball, pit_shares, share_inside

__all__ = [
    "NOMINAL",
    "DistributionCard",
    "Exact",
    "PointErrors",
    "Reliability",
    "brier",
    "crps_ensemble",
    "judge_distribution",
    "ks_distance",
    "outcome_ranks",
    "pinball",
    "pit_shares",
    "point_errors",
    "reliability",
    "share_inside",
]
