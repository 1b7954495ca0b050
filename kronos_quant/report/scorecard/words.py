"""What the words of a scorecard mean, for a reader who has met none of them."""

from __future__ import annotations

from kronos_quant.evaluation import EDGE

WORDS = (
    (
        "rank IC",
        "correlation of the scores' order with the order of the returns that followed, one value a date: 1 is "
        "a perfect order, 0 is none, below 0 is the wrong way round. In practice 0.03 to 0.05 is good.",
    ),
    (
        "95 % interval",
        "where the true mean lies in 95 of 100 such measurements. It allows for returns that overlap from one date "
        "to the next, which makes it wider than the usual one.",
    ),
    ("edge", f"declared in advance: {EDGE}."),
    (
        "IC",
        "the same correlation, of the values instead of their order.",
    ),
    (
        "ICIR",
        "mean rank IC over its standard deviation from date to date (not annualised): how steady it is.",
    ),
    (
        "best - worst fifth",
        "return over the horizon of the fifth with the highest scores less that of the fifth with the lowest, "
        "equally weighted.",
    ),
    (
        "break-even bps",
        "what each purchase and each sale may cost, in hundredths of a percent of the value traded, before "
        "best less worst, made anew after every horizon, earns nothing.",
    ),
    (
        "signal ahead by",
        "95 % interval of the signal's rank IC less this row's, on the same dates. Only when all of it is "
        "above 0 is the signal better than this baseline.",
    ),
    (
        "CRPS",
        "mean distance between the forecast distribution and the return that came, in units of return; "
        "smaller is better. Measured at the stored quantiles, the same for all rows, so that rows compare.",
    ),
    (
        "90 % holds",
        "share of the returns that fell into the interval said to hold 90 %.",
    ),
    (
        "CRPS, exact",
        "the same from the sample paths themselves: nothing is lost between quantiles, and the noise of few paths "
        "counts against them.",
    ),
    (
        "correlation over time",
        "of a symbol's scores with the returns that followed, from date to date: what is left where there are too few "
        "symbols to rank.",
    ),
    (
        "same sign",
        "share of the dates on which score and return were both above, or both below, 0; a coin has 50 %.",
    ),
    (
        "scored",
        "share of the universe's members with a score, on the signal's dates and where the signal has one.",
    ),
)
"""Word -> what it says; those that a page uses stand at its end."""
