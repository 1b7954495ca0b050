"""The cards of a scorecard as plain values, as long tables, and as a short one for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from kronos_quant.display import figure_or_dash
from kronos_quant.evaluation.cards import ContenderCard, RankingCard
from kronos_quant.evaluation.distribution import DistributionCard, PathScores, PointErrors, Reliability
from kronos_quant.evaluation.ranking import TimeSeriesFit
from kronos_quant.evaluation.slices import Slice
from kronos_quant.stats.intervals import MeanInterval, NeweyWest

FIGURES: dict[str, pl.DataType] = {
    "contender": pl.String(),
    "figure": pl.String(),
    "detail": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "std_error": pl.Float64(),
    "dates": pl.Int64(),
}
"""One row a figure; low, high, std_error and dates are null where it has no interval."""

DATES: dict[str, pl.DataType] = {
    "date": pl.Date(),
    "asof": pl.Datetime("us"),
    "contender": pl.String(),
    "ic": pl.Float64(),
    "rank_ic": pl.Float64(),
    "crps": pl.Float64(),
}

Row = tuple[str, str, str, float, float | None, float | None, float | None, int | None]


def interval_dict(found: MeanInterval) -> dict[str, Any]:
    """An interval as plain values."""
    return {
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "std_error": found.std_error,
        "degrees_of_freedom": found.degrees,
        "std": found.std,
        "dates": found.dates,
    }


def contender_dict(card: ContenderCard) -> dict[str, Any]:
    """A card as plain values."""
    timing = {} if card.timing is None else {name: interval_dict(found) for name, found in _fields(card.timing)}
    return {
        "says": card.description,
        "coverage": card.coverage,
        "ranking": None if card.ranking is None else _ranking(card.ranking),
        "over_time": timing or None,
        "distribution": None if card.distribution is None else _distribution(card.distribution, card.crps_gain),
    }


def _ranking(card: RankingCard) -> dict[str, Any]:
    portfolios = card.portfolios
    return {
        "ic": interval_dict(card.ic) | {"icir": card.ic.ratio},
        "rank_ic": interval_dict(card.rank_ic)
        | {
            "icir": card.rank_ic.ratio,
            "icir_low": card.rank_ic.in_deviations().low,
            "icir_high": card.rank_ic.in_deviations().high,
            "newey_west": dict(_fields(card.newey_west)),
            "dates_needed": card.dates_needed,
        },
        "decay": {horizon: interval_dict(found) for horizon, found in card.decay.items()},
        "portfolios": {
            "excess_return_by_fifth": [interval_dict(group) for group in portfolios.groups],
            "long_short": interval_dict(portfolios.long_short),
            "monotonicity": portfolios.monotonicity,
            "turnover_a_horizon": portfolios.turnover,
            "turnover_a_date": portfolios.daily_turnover,
            "rank_persistence": portfolios.rank_persistence,
            "break_even_bps": portfolios.break_even_bps,
            "break_even_long_bps": portfolios.break_even_long_bps,
        },
        "signal_minus_baseline": None if card.ahead is None else interval_dict(card.ahead),
        "likeness_to_signal": card.likeness,
    }


def _distribution(card: DistributionCard, gain: MeanInterval | None) -> dict[str, Any]:
    return {
        "measured_from": card.measured_from,
        "levels": list(card.levels),
        "cells": card.cells,
        "crps": interval_dict(card.crps),
        "crps_gain_over_volatility_band": None if gain is None else interval_dict(gain),
        "pinball": dict(zip((f"{level:g}" for level in card.levels), card.pinball.tolist(), strict=True)),
        "coverage": {f"{nominal:g}": interval_dict(found) for nominal, found in card.coverage.items()},
        "coverage_90_by_bar": [interval_dict(found) for found in card.by_bar],
        "pit": {"edges": card.edges.tolist(), "shares": card.pit.tolist(), "ks": card.ks},
        "exact": None if card.exact is None else _exact(card.exact),
        "brier": card.brier,
        "reliability": {name: values.tolist() for name, values in _fields(card.reliability)},
        "point": dict(_fields(card.errors)),
    }


def _exact(found: PathScores) -> dict[str, Any]:
    return {
        "paths": found.members,
        "crps": interval_dict(found.crps),
        "rank_histogram": found.ranks.tolist(),
        "pit": {"edges": found.edges.tolist(), "shares": found.pit.tolist(), "ks": found.ks},
    }


def figure_table(cards: Sequence[ContenderCard], slices: Sequence[Slice]) -> pl.DataFrame:
    """scorecard.parquet: `FIGURES`, of every contender, and the slices as figures of the signal, the first card."""
    rows = [row for one in cards for row in _figures(one)]
    rows += [_interval_row(cards[0].name, "rank_ic", f"{part.kind}: {part.label}", part.rank_ic) for part in slices]
    return pl.DataFrame(rows, schema=FIGURES, orient="row")


def _figures(card: ContenderCard) -> Iterator[Row]:
    name = card.name
    yield _plain_row(name, "coverage", "", card.coverage)
    if card.ranking is not None:
        ranking, portfolios = card.ranking, card.ranking.portfolios
        yield _interval_row(name, "ic", "", ranking.ic)
        yield _interval_row(name, "rank_ic", "", ranking.rank_ic)
        yield _interval_row(name, "icir", "", ranking.rank_ic.in_deviations())
        for horizon, found in ranking.decay.items():
            yield _interval_row(name, "rank_ic_decay", str(horizon), found)
        for place, group in enumerate(portfolios.groups, start=1):
            yield _interval_row(name, "fifth_excess_return", str(place), group)
        yield _interval_row(name, "long_short", "", portfolios.long_short)
        for figure in ("monotonicity", "turnover", "daily_turnover", "break_even_bps", "break_even_long_bps"):
            yield _plain_row(name, figure, "", getattr(portfolios, figure))
        if ranking.ahead is not None:
            yield _interval_row(name, "signal_ahead", "", ranking.ahead)
    if card.timing is not None:
        for figure, found in _fields(card.timing):
            yield _interval_row(name, f"over_time_{figure}", "", found)
    if card.distribution is not None:
        yield from _distribution_figures(name, card.distribution, card.crps_gain)


def _distribution_figures(name: str, card: DistributionCard, gain: MeanInterval | None) -> Iterator[Row]:
    yield _interval_row(name, "crps", "", card.crps)
    if card.exact is not None:
        yield _interval_row(name, "crps_exact", "", card.exact.crps)
        yield _plain_row(name, "ks_exact", "", card.exact.ks)
    if gain is not None:
        yield _interval_row(name, "crps_gain", "", gain)
    for level, loss in zip(card.levels, card.pinball.tolist(), strict=True):
        yield _plain_row(name, "pinball", f"{level:g}", loss)
    for nominal, found in card.coverage.items():
        yield _interval_row(name, "interval_coverage", f"{nominal:g}", found)
    for bar, found in enumerate(card.by_bar, start=1):
        yield _interval_row(name, "interval_coverage_by_bar", str(bar), found)
    yield _plain_row(name, "ks", "", card.ks)
    yield _plain_row(name, "brier", "", card.brier)
    for figure, value in _fields(card.errors):
        yield _plain_row(name, figure, "", value)


def _fields(card: TimeSeriesFit | NeweyWest | PointErrors | Reliability) -> list[tuple[str, Any]]:
    return [(name, getattr(card, name)) for name in card.__slots__]


def _interval_row(contender: str, figure: str, detail: str, found: MeanInterval) -> Row:
    return contender, figure, detail, found.mean, found.low, found.high, found.std_error, found.dates


def _plain_row(contender: str, figure: str, detail: str, value: float) -> Row:
    return contender, figure, detail, value, None, None, None, None


def date_table(cards: Sequence[ContenderCard], dates: Sequence[date], times: Sequence[datetime]) -> pl.DataFrame:
    """dates.parquet: date, asof, contender, ic, rank_ic, crps; null where a date has none."""
    frames = [
        pl.DataFrame(
            {
                "date": dates,
                "asof": times,
                "contender": [one.name] * len(dates),
                "ic": None if one.ranking is None else one.ranking.ic_by_date,
                "rank_ic": None if one.ranking is None else one.ranking.rank_ic_by_date,
                "crps": None if one.distribution is None else one.distribution.crps_by_date,
            },
            schema=DATES,
        )
        for one in cards
    ]
    return pl.concat(frames).with_columns(pl.col("ic", "rank_ic", "crps").fill_nan(None))


def summary(cards: Sequence[ContenderCard]) -> list[dict[str, str]]:
    """The contenders side by side, a row each, as words; over time where there are too few symbols to rank."""
    over_time = cards[0].timing is not None
    rows = [
        {
            "": one.name,
            **(_timed(one.timing) if over_time else _ranked(one.ranking)),
            **_calibrated(one.distribution),
            "scored": figure_or_dash(one.coverage, "{:.0%}"),
        }
        for one in cards
    ]
    return [{name: row.get(name, "-") for name in rows[0]} for row in rows]


def _timed(card: TimeSeriesFit | None) -> dict[str, str]:
    if card is None:
        return {}
    return {
        "correlation over time": figure_or_dash(card.correlation.mean, "{:+.3f}"),
        "95% CI": span(card.correlation),
        "rank correlation": figure_or_dash(card.rank_correlation.mean, "{:+.3f}"),
        "same sign": figure_or_dash(card.same_sign.mean, "{:.1%}"),
        "its 95% CI": span(card.same_sign, "{:.1%}"),
    }


def _ranked(card: RankingCard | None) -> dict[str, str]:
    if card is None:
        return {}
    return {
        "rank IC": figure_or_dash(card.rank_ic.mean, "{:+.3f}"),
        "95% CI": span(card.rank_ic),
        "ICIR": figure_or_dash(card.rank_ic.ratio, "{:+.2f}"),
        "IC": figure_or_dash(card.ic.mean, "{:+.3f}"),
        "top - bottom quintile": figure_or_dash(card.portfolios.long_short.mean, "{:+.2%}"),
        "break-even bps": figure_or_dash(card.portfolios.break_even_bps, "{:.1f}"),
        "signal minus baseline": span(card.ahead),
    }


def _calibrated(card: DistributionCard | None) -> dict[str, str]:
    ninety = None if card is None else card.coverage.get(0.9)
    return {
        "CRPS": "-" if card is None else figure_or_dash(card.crps.mean, "{:.5f}"),
        "90% coverage": "-" if ninety is None else figure_or_dash(ninety.mean, "{:.1%}"),
    }


def span(found: MeanInterval | None, form: str = "{:+.3f}") -> str:
    """The ends of an interval as text, a dash where there is none."""
    return "-" if found is None or not found.known else f"{form.format(found.low)} to {form.format(found.high)}"
