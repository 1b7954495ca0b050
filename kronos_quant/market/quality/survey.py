"""The state of the stored bars: what every check finds in them, what was rejected, and which gates fail."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from kronos_quant.config import GatesConfig
from kronos_quant.errors import ConfigError, DataError, listed
from kronos_quant.market.quality.check_tables import ROW, check_context, number_rows
from kronos_quant.market.quality.checks import Check, offenders, read_contradicted, read_rejected
from kronos_quant.market.reader import Market

_FOUND = {"rule": pl.String(), "symbol": pl.String(), "date": pl.Date(), "time": pl.Datetime("us")}


@dataclass(frozen=True, slots=True)
class Gate:
    """One bound of kq.yaml, and what it was held against."""

    name: str
    allowed: float
    found: float

    @property
    def passed(self) -> bool:
        """Whether the bound holds."""
        return self.found <= self.allowed

    def line(self) -> str:
        """'unadjusted_split: found 3, allowed 0'."""
        return f"{self.name}: found {self.found:.6g}, allowed {self.allowed:g}"


@dataclass(frozen=True, slots=True)
class Survey:
    """What the checks found in one state of the market."""

    market: Market
    bars: int
    checks: tuple[Check, ...]
    found: pl.DataFrame
    """(rule, symbol, date, time): a row for each stored bar that a check names."""
    rejected: pl.DataFrame
    """`quality.REJECTED`: what ingests refused and the store therefore does not hold."""
    gates: tuple[Gate, ...]

    @property
    def refused(self) -> pl.DataFrame:
        """`found`, of the rejected bars: a row for each rule that one broke."""
        return self.rejected.with_columns(rule=pl.col("rules").str.split(", ")).explode("rule").select(list(_FOUND))

    @property
    def failed(self) -> list[Gate]:
        """The gates that do not hold."""
        return [gate for gate in self.gates if not gate.passed]

    def enforce_gates(self) -> None:
        """Raise DataError, listing them, when gates fail."""
        if self.failed:
            lines = [f"{len(self.failed)} of {len(self.gates)} gates fail", *(gate.line() for gate in self.failed)]
            raise DataError("\n".join(lines), hint="mend the source and ingest again, or change `gates:` in kq.yaml")


def survey(market: Market, checks: Sequence[Check], gates: GatesConfig) -> Survey:
    """Run the checks on the bars of a snapshot; the database is not opened.

    Raises ConfigError for a gate on a rule that no check has, DataError for a check that cannot be run.
    """
    _require_known(gates, checks)
    numbered = number_rows(market.bars())
    around = check_context(
        market.freq,
        market.exchange,
        market.sessions(),
        market.instruments(),
        read_contradicted(market.snapshot.folder, market.freq),
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
    """(rule, symbol, bars, first, last) of `Survey.found` or `Survey.refused`, the most bars of a rule first."""
    return (
        found.group_by("rule", "symbol")
        .agg(pl.len().alias("bars"), pl.col("time").min().alias("first"), pl.col("time").max().alias("last"))
        .sort(["rule", "bars", "symbol"], descending=[False, True, False])
    )


def _gates(gates: GatesConfig, result: Survey) -> Iterator[Gate]:
    """Each gate of kq.yaml; a rule counts the bars that break it, stored with a warning or rejected."""
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
