"""What a strategy file is back-tested on: market, scores, panel and rules, for every command that runs one."""

from kronos_quant.workflows.trading.beside import (
    adjusted_volumes,
    bars_of_source,
    facts_of,
    group_spans,
    grouped,
    in_universe,
    source_directory,
)
from kronos_quant.workflows.trading.prepared import Prepared, missing_benchmark, prepare, with_background
from kronos_quant.workflows.trading.scored import Scored, read_scores

__all__ = [
    "Prepared",
    "Scored",
    "adjusted_volumes",
    "bars_of_source",
    "facts_of",
    "group_spans",
    "grouped",
    "in_universe",
    "missing_benchmark",
    "prepare",
    "read_scores",
    "source_directory",
    "with_background",
]
