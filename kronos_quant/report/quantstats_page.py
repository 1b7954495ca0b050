"""quantstats' own report of a back-test as a second page, made in a process of its own while the run goes on.

The process takes the session returns and gives back the page and the further statistics of the tearsheet, so that a run
neither imports quantstats nor waits for its charts. What quantstats cannot do is a sentence, never an error of the run.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.charts.canvas import without_references
from kronos_quant.children import Process, answering_python
from kronos_quant.files import temporary_folder
from kronos_quant.readers import read_text
from kronos_quant.report.document import Part, page_environment
from kronos_quant.report.quantstats_sections import (
    evaluated,
    quantstats_sections,
    quiet_quantstats,
    series_of_returns,
    statistics_part,
)
from kronos_quant.report.scripts import script_policy

logger = logging.getLogger(__name__)

PAGE = "quantstats.html"

LONGEST_SECONDS = 600
"""A run waits no longer for the page."""

PICTURES = (
    "returns", "log_returns", "vol_returns", "eoy_returns", "monthly_dist", "daily_returns", "rolling_beta",
    "rolling_vol", "rolling_sharpe", "rolling_sortino", "dd_periods", "dd_plot", "monthly_heatmap", "returns_dist",
)  # fmt: skip
"""quantstats' names of its charts, in its order."""

CODE = "from kronos_quant.report.quantstats_page import answer; answer()"


@dataclass(frozen=True, slots=True)
class SessionReturns:
    """What quantstats is told. returns, benchmark : f64[T], as fractions; title, facts : of the page"""

    dates: Sequence[date]
    returns: FloatArray
    benchmark: FloatArray | None
    sessions_per_year: int
    title: str
    facts: str

    def to_json(self) -> str:
        """For the other process; numbers come back as they are."""
        benchmark = None if self.benchmark is None else self.benchmark.tolist()
        days = [day.isoformat() for day in self.dates]
        values = {"dates": days, "returns": self.returns.tolist(), "benchmark": benchmark}
        return json.dumps(
            values | {"sessions_per_year": self.sessions_per_year, "title": self.title, "facts": self.facts}
        )

    @staticmethod
    def from_json(text: str) -> SessionReturns:
        """What `to_json` wrote."""
        values = json.loads(text)
        benchmark = values["benchmark"]
        return SessionReturns(
            **values
            | {
                "dates": [date.fromisoformat(day) for day in values["dates"]],
                "returns": np.array(values["returns"], dtype=np.float64),
                "benchmark": None if benchmark is None else np.array(benchmark, dtype=np.float64),
            }
        )


@dataclass(frozen=True, slots=True)
class QuantstatsReport:
    """What quantstats gave. page : "" where it made none; troubles : what it could not do, in plain sentences"""

    page: str = ""
    sections: tuple[Part, ...] = ()
    troubles: tuple[str, ...] = field(default=())


@contextmanager
def quantstats_child(given: SessionReturns) -> Iterator[Callable[[], QuantstatsReport]]:
    """Begin quantstats' report in another process; the block gets a function that waits for it.

    The process ends with the block. Of returns that do not move or are too few there is no report, and no process.
    """
    kept, _ = evaluated(given.returns)
    if kept is None:
        yield lambda: in_this_process(given)
        return
    with answering_python(CODE) as process:
        answers: list[str | None] = []
        asking = threading.Thread(target=lambda: answers.append(_ask(process, given)), daemon=True)
        asking.start()

        def wait() -> QuantstatsReport:
            asking.join()
            return _read_answer(answers[0])

        yield wait


def in_this_process(given: SessionReturns) -> QuantstatsReport:
    """The report, made here: it imports quantstats and takes seconds."""
    sections, troubles = quantstats_sections(given.dates, given.returns, given.benchmark, given.sessions_per_year)
    page = quantstats_html(given) if sections else ""
    if sections and not page:
        troubles = [*troubles, f"quantstats could not draw its page ({PAGE}) of these {len(given.returns)} returns."]
    return QuantstatsReport(page, tuple(sections), tuple(troubles))


def quantstats_html(given: SessionReturns) -> str:
    """quantstats' page, which asks no other computer for anything; "" where quantstats cannot make it."""
    kept, _ = evaluated(given.returns)
    if kept is None:
        return ""
    for compared in [given.benchmark, None] if given.benchmark is not None else [None]:
        try:
            return _html(given, kept, compared)
        # quantstats fails in many ways on odd series; the tearsheet is owed all the same
        except Exception as error:
            logger.debug("quantstats page: %s: %s", type(error).__name__, error)
    return ""


def answer() -> None:
    """Of the other process: read the returns from stdin, write the report to stdout."""
    out = sys.stdout
    report = in_this_process(SessionReturns.from_json(sys.stdin.buffer.read().decode("utf-8")))
    tables = [{"columns": part.columns, "rows": part.rows} for part in report.sections]
    out.write(json.dumps({"page": report.page, "tables": tables, "troubles": report.troubles}))
    out.flush()


def _ask(process: Process, given: SessionReturns) -> str | None:
    """What the process wrote; None where it failed, was killed or took too long."""
    limit = threading.Timer(LONGEST_SECONDS, process.kill)
    limit.daemon = True
    limit.start()
    try:
        written, _ = process.communicate(given.to_json().encode("utf-8"))
    except (OSError, ValueError) as error:  # the run has ended, and the pipes with it
        logger.debug("quantstats process: %s: %s", type(error).__name__, error)
        return None
    finally:
        limit.cancel()
    return written.decode("utf-8") if process.returncode == 0 else None


def _read_answer(text: str | None) -> QuantstatsReport:
    if text is None:
        trouble = f"{PAGE} and the further statistics are missing: the process of quantstats failed."
        return QuantstatsReport(troubles=(trouble,))
    values: dict[str, Any] = json.loads(text)
    sections = (statistics_part(table["columns"], table["rows"]) for table in values["tables"])
    return QuantstatsReport(values["page"], tuple(sections), tuple(values["troubles"]))


def _html(given: SessionReturns, kept: Any, benchmark: FloatArray | None) -> str:
    series, other = series_of_returns(given.dates, given.returns, benchmark, kept)
    template = page_environment().get_template("quantstats.html")
    with temporary_folder("quantstats") as folder, quiet_quantstats():
        import matplotlib as mpl
        from quantstats import reports

        mpl.rcParams["svg.hashsalt"] = "kronos-quant"  # the same page for the same returns

        layout, written = folder / "template.html", folder / PAGE
        layout.write_text(
            template.render(title=given.title, facts=given.facts, policy=script_policy([]), pictures=PICTURES),
            encoding="utf-8",
        )
        reports.html(  # type: ignore[no-untyped-call]
            series,
            other,
            output=str(written),
            template_path=str(layout),
            periods_per_year=given.sessions_per_year,
            match_dates=False,
            strategy_title="Strategy",
            benchmark_title="Benchmark",
        )
        page = read_text(written)
    for name in PICTURES:  # those of a benchmark, where there is none
        page = page.replace("{{" + name + "}}", "")
    return without_references(page)
