"""`kq check`: every rule on the stored bars, as text, JSON and one page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.errors import counted, listed
from kronos_quant.market.quality.checks import all_checks
from kronos_quant.market.quality.survey import Survey, by_symbol, survey
from kronos_quant.market.reader import workspace_market
from kronos_quant.workspace import WorkspaceFolder

SHOWN_REJECTED = 100
"""Rejected bars written out in full in the JSON report; the counts are of all."""

_WORST = 3


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `kq check` has to say."""

    survey: Survey
    page: Path | None
    """The HTML page, where one was asked for."""

    def enforce_gates(self) -> None:
        """Raise DataError when a gate of kq.yaml fails; the report is written by then."""
        self.survey.enforce_gates()

    def lines(self) -> list[str]:
        """The report for people, a line a fact."""
        found = self.survey
        span = found.market.snapshot.freqs[found.market.freq]
        lines = [
            f"{found.market.freq} bars: {found.bars:,} of {counted(span.symbols, 'symbol')}, "
            f"{span.first} to {span.last}; exchange: {found.market.exchange or 'unknown'}; "
            f"snapshot {found.market.snapshot.digest[:16]}",
            f"stored with a warning: {counted(found.found.select('symbol', 'time').n_unique(), 'bar')}",
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
            "rejected": {
                "bars": found.rejected.height,
                "shown": found.rejected.head(SHOWN_REJECTED).to_dicts(),
            },
            "gates": [
                {"gate": gate.name, "allowed": gate.allowed, "found": gate.found, "passed": gate.passed}
                for gate in found.gates
            ],
            "passed": not found.failed,
            "page": self.page,
        }


def run_check(workspace: WorkspaceFolder, page: Path | None = None, checks: Path | None = None) -> CheckReport:
    """Check the stored bars of the newest snapshot with the package's checks and the workspace's.

    page : where to write the HTML page; checks : a folder of checks to take instead of the workspace's db/checks.
    Gates are judged, not enforced: see `CheckReport.enforce_gates`. The database is not opened.
    Raises DataError where nothing was ingested or a check cannot be run, ConfigError for a gate on an unknown rule.
    """
    market = workspace_market(workspace)
    found = survey(market, all_checks(workspace.root, checks), workspace.config.gates)
    if page is not None:
        from kronos_quant.report.pages.quality import write_quality_page

        write_quality_page(page, found)
    return CheckReport(found, page)


def _of(frame: pl.DataFrame, rule: str) -> pl.DataFrame:
    return frame.filter(pl.col("rule") == rule)


def _broken_lines(found: pl.DataFrame) -> Iterator[str]:
    """A line for each rule, the most broken first, with the symbols that break it most."""
    symbols = by_symbol(found)
    for rule, count in found.group_by("rule").len().sort(["len", "rule"], descending=[True, False]).rows():
        of_rule = _of(symbols, rule)
        worst = [f"{symbol} {number:,}" for symbol, number in of_rule.select("symbol", "bars").rows()]
        dates = _of(found, rule)["date"].n_unique()
        yield f"  {rule:<22}{count:>9,} bars of {len(of_rule):,} symbols on {dates:,} dates: {listed(worst, _WORST)}"
