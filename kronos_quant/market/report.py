"""What one ingest did, for people and for scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from kronos_quant.errors import counted, listed


@dataclass(frozen=True, slots=True)
class IngestReport:
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
    """Past bars that came with another raw value or factor, by symbol, most first."""
    rescaled: int
    """Symbols that came in another scale of price and factor and were converted to the stored one."""
    vanished: dict[str, int]
    """Stored bars, kept, that the source no longer has although it covers their symbol and date; by symbol."""
    first_vanished: tuple[str, ...]
    """The first few of them: symbol and time."""
    rejected: int
    rejected_by_rule: dict[str, int]
    """A bar that breaks several rules counts at each."""
    warnings_by_rule: dict[str, int]
    suspended: int
    """Sessions without a bar between a symbol's first and last bar, over all symbols."""
    notes: tuple[str, ...]
    snapshot: str
    """Content digest of the published snapshot."""

    def lines(self) -> list[str]:
        """The report for people, a line a fact."""
        held = f"{counted(self.symbols, 'symbol')}, {counted(self.sessions, 'session')} ({self.freq})"
        lines = [
            f"{self.path or self.source}: {held}, {self.first} to {self.last}",
            f"bars: {self.bars:,} accepted: {self.added:,} new, {self.changed:,} changed, {self.unchanged:,} as before",
            f"rejected: {self.rejected:,}{by_rule(self.rejected_by_rule)}",
        ]
        if self.restated:
            worst = listed(f"{symbol} {count:,}" for symbol, count in self.restated.items())
            lines.append(
                f"restated: {counted(sum(self.restated.values()), 'past bar')} "
                f"of {counted(len(self.restated), 'symbol')} ({worst}); the old values are in the history"
            )
        if self.rescaled:
            lines.append(f"rescaled: {self.rescaled:,} symbols came in another scale; converted to the stored one")
        if self.vanished:
            count = sum(self.vanished.values())
            lines.append(
                f"vanished from the source: {counted(count, 'stored bar')} of {counted(len(self.vanished), 'symbol')} "
                f"({listed(self.first_vanished, len(self.first_vanished))}"
                + (f" and {count - len(self.first_vanished):,} more" if count > len(self.first_vanished) else "")
                + "); they are kept, and noted in the history"
            )
        if self.warnings_by_rule:
            lines.append(f"kept with a warning:{by_rule(self.warnings_by_rule)}")
        if self.suspended:
            lines.append(f"suspended: {counted(self.suspended, 'session')} of listed symbols without a bar")
        lines += [f"note: {note}" for note in self.notes]
        return [*lines, f"exchange: {self.exchange or 'unknown'}; snapshot {self.snapshot[:16]}"]

    def as_dict(self) -> dict[str, Any]:
        """The report for `--json`: plain values, dates in ISO form."""
        return asdict(self) | {"first": str(self.first), "last": str(self.last), "notes": list(self.notes)}


def by_rule(counts: dict[str, int]) -> str:
    """' (rule 3, other 1)', most frequent first; nothing for no counts."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f" ({', '.join(f'{rule} {count:,}' for rule, count in ordered)})" if counts else ""
