"""The state of the stored bars: the findings of every check, the rejected bars, and the gates of kq.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.check_sql import ROW
from kronos_quant.config import GatesConfig
from kronos_quant.display import TextReport
from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.market.quality.check_tables import CheckContext, number_rows
from kronos_quant.market.quality.checks import Check, offenders, read_contradicted, read_rejected
from kronos_quant.market.reader import Market

SHOWN_REJECTED = 100
"""Rejected bars shown in the JSON report; the counts include all."""

_WORST = 3

_FOUND = {"rule": pl.String(), "symbol": pl.String(), "date": pl.Date(), "time": pl.Datetime("us")}


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit of kq.yaml and the value found."""

    name: str
    allowed: float
    found: float

    @property
    def passed(self) -> bool:
        """Whether the value is within the limit."""
        return self.found <= self.allowed

    def line(self) -> str:
        """'unadjusted_split: found 3, allowed 0'."""
        return f"{self.name}: found {self.found:.6g}, allowed {self.allowed:g}"


@dataclass(frozen=True, slots=True)
class Survey:
    """The findings of the checks in one state of the market."""

    market: Market
    bars: int
    checks: tuple[Check, ...]
    found: pl.DataFrame
    """(rule, symbol, date, time): a row for each stored bar that a check selects."""
    rejected: pl.DataFrame
    """`checks.REJECTED`: bars that ingests rejected and that are not stored."""
    gates: tuple[Gate, ...]

    @property
    def refused(self) -> pl.DataFrame:
        """`found`, for the rejected bars: a row for each rule that a bar broke."""
        return self.rejected.with_columns(rule=pl.col("rules").str.split(", ")).explode("rule").select(list(_FOUND))

    @property
    def failed(self) -> list[Gate]:
        """The gates that fail."""
        return [gate for gate in self.gates if not gate.passed]

    def enforce_gates(self) -> None:
        """Raise DataError, listing them, when gates fail."""
        if self.failed:
            lines = [f"{len(self.failed)} of {len(self.gates)} gates fail", *(gate.line() for gate in self.failed)]
            raise DataError(*lines, hint="Fix the source and ingest it again, or change `gates:` in kq.yaml.")


def survey(market: Market, checks: Sequence[Check], gates: GatesConfig) -> Survey:
    """Run the checks on the bars of a snapshot; the database is not opened.

    Raises ConfigError for a gate on an unknown rule, DataError for a check that cannot be run.
    """
    _require_known(gates, checks)
    numbered = number_rows(market.stored_bars())
    around = CheckContext(
        market.freq,
        market.exchange,
        market.sessions(),
        market.instruments(),
        read_contradicted(market.snapshot.folder, market.freq),
        market.calendar(),
    )
    rows = offenders(numbered, list(checks), around)
    places = numbered.select(ROW, "symbol", "date", "time")
    parts = [
        places[numbers.to_list()].select(pl.lit(name).alias("rule"), "symbol", "date", "time")
        for name, numbers in rows.items()
    ]
    result = Survey(
        market=market,
        bars=len(numbered),
        checks=tuple(checks),
        found=pl.concat([pl.DataFrame(schema=_FOUND), *parts]),
        rejected=read_rejected(market.snapshot.folder, market.freq),
        gates=(),
    )
    return replace(result, gates=tuple(_gates(gates, result)))


def by_symbol(found: pl.DataFrame) -> pl.DataFrame:
    """(rule, symbol, bars, first, last) of `Survey.found` or `Survey.refused`, most bars first within a rule."""
    return (
        found.group_by("rule", "symbol")
        .agg(pl.len().alias("bars"), pl.col("time").min().alias("first"), pl.col("time").max().alias("last"))
        .sort(["rule", "bars", "symbol"], descending=[False, True, False])
    )


def _gates(gates: GatesConfig, result: Survey) -> Iterator[Gate]:
    """Each gate of kq.yaml; a rule counts the bars that break it, whether stored or rejected."""
    rejected = len(result.rejected)
    if gates.max_rejected_share is not None:
        yield Gate("max_rejected_share", gates.max_rejected_share, rejected / max(1, rejected + result.bars))
    broken = pl.concat([result.found, result.refused])["rule"]
    for rule, allowed in gates.rules.items():
        yield Gate(rule, allowed, int((broken == rule).sum()))


def _require_known(gates: GatesConfig, checks: Sequence[Check]) -> None:
    names = [check.name for check in checks]
    for rule in gates.rules:
        if rule not in names:
            near = difflib.get_close_matches(rule, names, n=1)
            raise ConfigError(
                f"kq.yaml: gates.rules.{rule}: no such check; "
                + (f"did you mean {near[0]}?" if near else f"expected {listed(names, len(names))}")
            )


@dataclass(frozen=True, slots=True, repr=False)
class CheckReport(TextReport):
    """The result of `kq check`."""

    survey: Survey
    page: Path | None
    """The HTML page, if one was written."""

    def enforce_gates(self) -> None:
        """Raise DataError when a gate of kq.yaml fails."""
        self.survey.enforce_gates()

    def lines(self) -> list[str]:
        """The report in words, one fact per line."""
        found = self.survey
        span = found.market.snapshot.freqs[found.market.freq]
        lines = [
            f"{found.market.freq} bars: {found.bars:,} of {counted(span.symbols, 'symbol')}, "
            f"{span.first} to {span.last}; exchange: {found.market.exchange or 'unknown'}; "
            f"snapshot {found.market.snapshot.digest[:16]}",
            f"warnings: {counted(found.found.select('symbol', 'time').n_unique(), 'stored bar')}",
            *_broken_lines(found.found),
            f"rejected: {counted(found.rejected.height, 'bar')}",
            *_broken_lines(found.refused),
            *(f"gate {'passed' if gate.passed else 'FAILED'}: {gate.line()}" for gate in found.gates),
        ]
        return [*lines, f"report: {self.page}"] if self.page else lines

    def as_dict(self) -> dict[str, Any]:
        """The report for --json: counts by rule and symbol, rejected bars, gates."""
        found = self.survey
        span = found.market.snapshot.freqs[found.market.freq]
        stored, refused = by_symbol(found.found), by_symbol(found.refused)
        return {
            "snapshot": found.market.snapshot.digest,
            "freq": found.market.freq,
            "exchange": found.market.exchange,
            "bars": found.bars,
            "symbols": span.symbols,
            "sessions": span.sessions,
            "first": span.first,
            "last": span.last,
            "rules": [
                {
                    "rule": check.name,
                    "severity": check.severity,
                    "why": check.why,
                    "file": check.path,
                    "bars": _of(found.found, check.name).height,
                    "rejected": _of(found.refused, check.name).height,
                    "by_symbol": _of(stored, check.name).drop("rule").to_dicts(),
                    "rejected_by_symbol": _of(refused, check.name).drop("rule").to_dicts(),
                }
                for check in found.checks
            ],
            "rejected": {"bars": found.rejected.height, "shown": found.rejected.head(SHOWN_REJECTED).to_dicts()},
            "gates": [
                {"gate": gate.name, "allowed": gate.allowed, "found": gate.found, "passed": gate.passed}
                for gate in found.gates
            ],
            "passed": not found.failed,
            "page": self.page,
        }


def _of(frame: pl.DataFrame, rule: str) -> pl.DataFrame:
    return frame.filter(pl.col("rule") == rule)


def _broken_lines(found: pl.DataFrame) -> Iterator[str]:
    """A line for each rule, most broken first, with the symbols that break it most."""
    symbols = by_symbol(found)
    for rule, count in found.group_by("rule").len().sort(["len", "rule"], descending=[True, False]).rows():
        of_rule = _of(symbols, rule)
        worst = [f"{symbol} {number:,}" for symbol, number in of_rule.select("symbol", "bars").rows()]
        dates = _of(found, rule)["date"].n_unique()
        yield (
            f"  {rule + ':':<23}{counted(count, 'bar'):>13}, {counted(len(of_rule), 'symbol')}, "
            f"{counted(dates, 'date')} ({listed(worst, _WORST)})"
        )
