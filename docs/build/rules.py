"""Pages of what lies in tables of the code: checks, exchange rules, levies, reasons, exit codes, and so on."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterable
from pathlib import Path

from docs.build.markdown import code, codes, page, sentence, table
from kronos_quant import errors
from kronos_quant.backtest import codes as reasons
from kronos_quant.config.environment import SETTINGS, VARIABLES
from kronos_quant.evaluation.baselines import baseline_words
from kronos_quant.market import iter_checks
from kronos_quant.market.exchanges.boards import BOARDS
from kronos_quant.market.exchanges.dividend_tax import DIVIDEND_TAXES, DividendTax
from kronos_quant.market.exchanges.funds import FUND_BOARDS
from kronos_quant.market.exchanges.levies import BROKERAGE, LEVIES, UNKNOWN, Brokerage, Levy
from kronos_quant.market.exchanges.tables import Board, ListingStart, PriceLimit
from kronos_quant.market.sessions import CALENDARS

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
EXIT_CODES = {
    0: ("", "success"),
    5: ("", "`kq parity`: the engine and the reference ledger, or the engine and pyqlib, differ"),
    130: ("", "interrupted with Ctrl-C; completed work is kept, run the same command again"),
}
"""Codes without a class of their own."""
EXTRAS = {
    "comet": "`train.trackers: [comet]`",
    "mlflow": "`train.trackers: [mlflow]`",
    "tensorboard": "`train.trackers: [tensorboard]`",
    "ray": "`kq sweep --ray`: back-tests spread over a Ray cluster",
    "docs": "`make docs`: the site of these pages",
    "dev": "`make test` and `make check`",
}
"""What needs an optional part."""
UNCHECKED = "not checked"


def pages() -> dict[str, str]:
    """Page name -> text."""
    return {
        "checks": checks(),
        "exchange_rules": exchange_rules(),
        "levies": levies(),
        "reject_reasons": reject_reasons(),
        "exit_codes": exit_codes(),
        "environment": environment(),
        "baselines": baselines(),
        "extras": extras(),
    }


def checks() -> str:
    """The page of the rules for bars."""
    return page(
        "Checks",
        "Every rule that ingested bars are checked against, with its severity and its reason.",
        "Every ingest checks its bars, and `kq check` reports them. An `error` rejects the bar: it is kept aside with "
        "the names of the rules that it broke. A `warning` keeps it. `gates.rules` of [kq.yaml](kq_yaml.md) turns a "
        "number of broken bars into exit code 3. A `.sql` file of your own in db/checks of the workspace adds a rule.",
        table(
            ["Check", "Severity", "What it finds, and why it matters"],
            ((code(check.name), check.severity, sentence(check.why)) for check in iter_checks()),
        ),
    )


ALL_BOARDS = (*BOARDS, *FUND_BOARDS)


def exchange_rules() -> str:
    """The page of boards, funds and bonds, lots, limits, T+1, calendars and customary costs."""
    board_rows = (
        (board.name, codes(board.prefixes) or "by list", board.lot, board.step, f"{board.tick:g}")
        for board in ALL_BOARDS
    )
    return page(
        "Exchange rules",
        "Boards, funds and bonds by date with sources: lots, ticks, price limits, first sessions, delisting periods, "
        "T+1; calendars and customary costs.",
        "With `profile: exchange` a back-test applies the rule in force on each session. A board, a fund, a REIT and a "
        "convertible bond are recognised by the first characters of the symbol; the longest ones that fit decide. "
        "`kq ingest intervals fund FILE` names the kind of a fund where the code does not tell it.",
        "A symbol of the mainland without any of these rules (an index, another bond) is refused unless the strategy "
        f"says `unknown_instruments: trade`. The words {UNCHECKED} mark what was not read in the source. Not modelled: "
        "bands of the opening auction. Outside the mainland there are no price limits.",
        "## Boards",
        table(["Board", "Symbols", "Smallest order (shares)", "Then by", "Tick (account currency)"], board_rows),
        "Not checked: lots of REITs; lots, tick and issue price of convertible bonds; kinds of fund by code.",
        "## Price limits",
        "From the previous close, raw prices, rounded to the tick (halves up).",
        table(["Board", "Shares", "Since", "Limit", "Source"], _limit_rows()),
        "## First sessions after a listing",
        "They need listing dates: `kq ingest intervals listing FILE`.",
        table(["Board", "Listed since", "Sessions", "Limit", "Source"], _start_rows()),
        "## Delisting periods",
        "They need their days: `kq ingest intervals delisting FILE`. The rule of the day on which the period begins "
        "holds to its end.",
        table(["Board", "Days", "Beginning since", "Limit", "Source"], _delisting_rows()),
        "## Sale on the day of purchase",
        "T+1: what is bought in a session is sold in a later one. It matters in intraday markets alone.",
        table(["Board", "Since", "Rule", "Source"], _resale_rows()),
        "## Calendars",
        table(["Exchange", "Calendar of exchange_calendars"], ((code(k), code(v)) for k, v in CALENDARS.items())),
        "## Customary costs",
        "Not rules: typical costs where `costs` of a strategy is silent. Replace them by those of your broker. Taxes "
        "and fees of the exchange come on top: [levies](levies.md).",
        table(
            [
                "Exchange or kind",
                "Commission, taker",
                "Commission, maker",
                "Minimum",
                "Lot without a board",
                "Sessions per year",
            ],
            (_brokerage_row(row) for row in (*BROKERAGE, UNKNOWN)),
        ),
    )


def _limit_rows() -> Iterable[tuple[object, ...]]:
    for board in ALL_BOARDS:
        for shares, limits in (("all", board.limits), ("ST, *ST", board.st_limits)):
            yield from (_limit_row(board, shares, limit) for limit in limits)


def _limit_row(board: Board, shares: str, limit: PriceLimit) -> tuple[object, ...]:
    return board.name, shares, limit.since, _percent(limit), limit.source


def _percent(limit: PriceLimit) -> str:
    return "none" if limit.fraction is None else f"±{limit.fraction:.0%}"


def _delisting_rows() -> Iterable[tuple[object, ...]]:
    for board in ALL_BOARDS:
        for days, limits in (("first", board.delisting.first_day), ("others", board.delisting.limits)):
            yield from ((board.name, days, limit.since, _percent(limit), limit.source) for limit in limits)


def _resale_rows() -> Iterable[tuple[object, ...]]:
    for board in ALL_BOARDS:
        yield from ((board.name, row.since, "T+1" if row.next_day else "T+0", row.source) for row in board.resale)


def _start_rows() -> Iterable[tuple[object, ...]]:
    for board in ALL_BOARDS:
        yield from ((board.name, start.since, start.sessions, _band(start), start.source) for start in board.starts)


def _band(start: ListingStart) -> str:
    if start.up is None or start.down is None:
        return "none"
    return f"+{100 * start.up:g}% / -{100 * start.down:g}% of the issue price"


def _brokerage_row(row: Brokerage) -> tuple[object, ...]:
    exchanges = codes(row.exchanges) or "any other"
    return exchanges, f"{row.taker:.3%}", f"{row.maker:.3%}", f"{row.minimum:g}", row.lot, row.sessions_per_year


def levies() -> str:
    """The page of taxes and fees."""
    unsure = sum(UNCHECKED in levy.source for levy in LEVIES)
    return page(
        "Levies",
        "Every tax and fee of exchange and state by date, with its source.",
        "`costs.levies: exchange` (the default) adds to a trade what is in force on its session; a later row "
        "replaces the earlier one of its name. Fractions of the value traded unless another unit is given.",
        f"> **Note** {unsure} of the {len(LEVIES)} rows have a day or a figure that was not checked against its "
        "source, as the row says: check it before you rely on it, and set `costs.buy` and `costs.sell` where you know "
        "better.",
        table(
            ["Levy", "Exchanges or kind", "Since", "Buy", "Sell", "Per share sold", "Source"], map(_levy_row, LEVIES)
        ),
        "Stamp duty is on shares alone: funds, REITs and bonds pay none, and no transfer fee (not checked). Not here: "
        "the mainland's transfer fee before 2015-08, and fees that a broker's commission includes (handling and "
        "supervision).",
        "## Tax on dividends",
        "Of mainland shares, where dividends are paid in cash ([Dividends](../howto/dividends.md)): fractions of cash "
        "and of bonus shares at par. The record date decides which row holds; what is withheld at payment is a part of "
        "the other rates.",
        table(
            ["Record date from", "At payment", "Sold within a month", "Within a year", "Later", "Source"],
            map(_dividend_tax_row, DIVIDEND_TAXES),
        ),
    )


def _dividend_tax_row(row: DividendTax) -> tuple[object, ...]:
    rates = (row.at_payment, row.month, row.year, row.beyond)
    return row.since, *(f"{rate:g}" for rate in rates), row.source


def _levy_row(levy: Levy) -> tuple[object, ...]:
    per_share = f"{levy.per_share:g}, at most {levy.most:g}" if levy.per_share else ""
    return levy.name, codes(levy.exchanges), levy.since, f"{levy.buy:g}", f"{levy.sell:g}", per_share, levy.source


def reject_reasons() -> str:
    """The page of the values of `status`, `reason` and `risk` of an order."""
    return page(
        "Order status and reasons",
        "Every value of the columns status and reason of orders.parquet, and what it means.",
        f"An order ends as {codes(reasons.STATUSES.values())}. A partial or rejected order says why, and so does one "
        "that a [risk rule](risk.md) made or cut.",
        "## Reasons of the market",
        table(["Reason", "Meaning"], ((code(reasons.REASONS[k]), sentence(v)) for k, v in reasons.MEANINGS.items())),
        "## Reasons of risk rules",
        table(["Reason", "Meaning"], ((code(reasons.RISKS[k]), sentence(v)) for k, v in reasons.RISK_MEANINGS.items())),
    )


def exit_codes() -> str:
    """The page of exit codes."""
    found = dict(EXIT_CODES)
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.KronosQuantError):
            found[kind.exit_code] = (code(name), (inspect.getdoc(kind) or "").partition("\n")[0])
    return page(
        "Exit codes",
        "What each exit code of kq means, and the class of the error in Python.",
        "An error is one line on stderr, `error: ...`, and mostly a second one, `hint:  ...`, with what to do next. "
        "`KQ_DEBUG=1` shows the traceback. In Python the same errors are raised as classes of `kronos_quant`.",
        table(["Exit code", "Class", "Meaning"], ((k, *_said(*v)) for k, v in sorted(found.items()))),
    )


def _said(name: str, meaning: str) -> tuple[str, str]:
    return name, sentence(meaning)


def environment() -> str:
    """The page of environment variables."""
    blocks = []
    for group in dict.fromkeys(variable.group for variable in VARIABLES):
        rows = ((code(one.name), sentence(one.meaning)) for one in VARIABLES if one.group == group)
        blocks += [f"## {group}", table(["Variable", "Meaning"], rows)]
    return page(
        "Environment variables",
        "Every environment variable that changes what kq does.",
        f'Those under "{SETTINGS}" are its own; the others belong to the libraries that it uses.',
        *blocks,
    )


def baselines() -> str:
    """The page of what `kq evaluate` compares a signal with."""
    return page(
        "Baselines",
        "What kq evaluate compares a signal with.",
        "All of them know only what was known at the close of each date. `kq evaluate` scores them on the same dates, "
        "members and horizon as the signal, and, where it can, the model before it was fine-tuned (`--zero-shot`).",
        table(["Baseline", "What it is"], ((code(name), sentence(words)) for name, words in baseline_words().items())),
    )


def extras() -> str:
    """The page of optional parts of the installation."""
    optional = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    return page(
        "Extras",
        "Optional parts of the installation, what needs them, and their packages.",
        '`pip install ".[ray]"` in a clone installs one, `".[ray,mlflow]"` several; `-c constraints.txt` takes the '
        "tested versions.",
        table(
            ["Extra", "Needed for", "Packages"],
            ((code(name), EXTRAS[name], codes(packages)) for name, packages in optional.items()),
        ),
    )
