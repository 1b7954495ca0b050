"""What the terms of a scorecard mean, for a reader who meets them for the first time."""

from __future__ import annotations

from kronos_quant.evaluation.verdict import EDGE

GLOSSARY = (
    (
        "rank IC",
        "Spearman correlation of the scores with the returns that followed, one value per date: 1 is a perfect "
        "order, 0 is none, below 0 is the wrong direction. In practice 0.03 to 0.05 is good.",
    ),
    (
        "95% CI",
        "confidence interval: it contains the true mean in 95 of 100 such measurements. It accounts for returns that "
        "overlap from one date to the next, which makes it wider than the usual one.",
    ),
    ("edge", f"defined in advance: {EDGE}."),
    ("IC", "Pearson correlation of the scores with the returns: of the values instead of their order."),
    ("ICIR", "mean rank IC divided by its standard deviation over dates (not annualised): how steady it is."),
    (
        "top - bottom quintile",
        "return over the horizon of the fifth of the symbols with the highest scores minus that of the fifth with the "
        "lowest, equally weighted.",
    ),
    (
        "break-even bps",
        "cost per trade, in basis points of traded value, at which the long-short quintile portfolio, rebalanced every "
        "horizon, stops making money.",
    ),
    (
        "signal minus baseline",
        "95% CI of the signal's rank IC minus that of the row, over the same dates. The signal is better than a "
        "baseline only if the interval is entirely above 0.",
    ),
    (
        "CRPS",
        "continuous ranked probability score: mean distance between the forecast distribution and the realised "
        "return, in units of return; smaller is better. Measured at the stored quantiles, the same for all rows.",
    ),
    ("90% coverage", "share of the returns that fell inside the 90% prediction interval."),
    (
        "CRPS, exact",
        "CRPS of the sample paths themselves: nothing is lost between quantiles, and the noise of few paths counts.",
    ),
    (
        "correlation over time",
        "correlation of one symbol's scores with the returns that followed, over dates; used where there are too few "
        "symbols to rank.",
    ),
    ("same sign", "share of the dates on which score and return had the same sign; chance gives 50%."),
    ("scored", "share of the universe's constituents that have a score, on the signal's dates."),
)
"""Term -> its meaning; those that a page uses stand at its end."""
