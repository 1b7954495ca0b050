"""What one ingest did, in words and for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kronos_quant.display import TextReport
from kronos_quant.errors import counted, listed
from kronos_quant.market.readings import Replaced


@dataclass(frozen=True, slots=True, repr=False)
class IngestReport(TextReport):
    """What one ingest did."""

    source: str
    path: str | None
    freq: str
    exchange: str
    """Of the store's bars of this frequency; "" where unknown."""
    symbols: int
    sessions: int
    first: date
    last: date
    bars: int
    """Accepted bars of this batch: added + changed + unchanged."""
    added: int
    changed: int
    """Bars that replace a stored one: restated, or moved along with a factor restated before them."""
    unchanged: int
    restated: dict[str, int]
    """Past bars whose raw value or factor changed, by symbol, most first."""
    rescaled: int
    """Symbols whose prices and factors had another scale and were converted to the stored one."""
    replaced: Replaced
    """What gave way of an earlier reading of the source, with other options."""
    vanished: dict[str, int]
    """Stored bars (kept) that are no longer in the source although it covers their symbol and date; by symbol."""
    first_vanished: tuple[str, ...]
    """The first few of them: symbol and time."""
    rejected: int
    rejected_by_rule: dict[str, int]
    """A bar that breaks several rules counts for each."""
    warnings_by_rule: dict[str, int]
    suspended: int
    """Sessions without a bar between a symbol's first and last bar, over all symbols."""
    suspended_bars: int
    """Bars of suspended sessions, stored and left out by readers."""
    notes: tuple[str, ...]
    snapshot: str
    """Content digest of the published snapshot."""

    def lines(self) -> list[str]:
        """The report in words, one fact per line."""
        held = f"{counted(self.symbols, 'symbol')}, {counted(self.sessions, 'session')} ({self.freq})"
        lines = [
            f"{self.path or self.source}: {held}, {self.first} to {self.last}",
            f"bars: {self.bars:,} accepted: {self.added:,} new, {self.changed:,} changed, {self.unchanged:,} unchanged",
            f"rejected: {self.rejected:,}{rule_counts(self.rejected_by_rule)}",
        ]
        lines += self.replaced.lines()
        if self.restated:
            worst = listed(f"{symbol} {count:,}" for symbol, count in self.restated.items())
            lines.append(
                f"restated: {counted(sum(self.restated.values()), 'past bar')} "
                f"of {counted(len(self.restated), 'symbol')} ({worst}); old values: kq history SYMBOL"
            )
        if self.rescaled:
            lines.append(f"rescaled: {counted(self.rescaled, 'symbol')} in another scale, converted to the stored one")
        if self.vanished:
            count = sum(self.vanished.values())
            lines.append(
                f"no longer in the source: {counted(count, 'stored bar')} of {counted(len(self.vanished), 'symbol')} "
                f"({listed(self.first_vanished, len(self.first_vanished))}"
                + (f" and {count - len(self.first_vanished):,} more" if count > len(self.first_vanished) else "")
                + "); kept, and recorded in the history"
            )
        if self.warnings_by_rule:
            lines.append(f"warnings: {rule_counts(self.warnings_by_rule)[2:-1]}; these bars are kept")
        suspended = []
        if self.suspended:
            suspended.append(
                f"{counted(self.suspended, 'session')} without a bar between a symbol's first and last bar"
            )
        if self.suspended_bars:
            suspended.append(
                f"{counted(self.suspended_bars, 'bar')} flat at the close before without a volume, or marked by the "
                "source, which no reader sees"
            )
        if suspended:
            lines.append(f"suspended: {'; '.join(suspended)}")
        lines += [f"note: {note}" for note in self.notes]
        return [*lines, f"exchange: {self.exchange or 'unknown'}; snapshot {self.snapshot[:16]}"]


def rule_counts(counts: dict[str, int]) -> str:
    """The counts in words, the most frequent first.

    >>> rule_counts({"stale_run": 1, "price_jump": 3})
    ' (price_jump 3, stale_run 1)'
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f" ({', '.join(f'{rule} {count:,}' for rule, count in ordered)})" if counts else ""
