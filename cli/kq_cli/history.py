"""kq history."""

from datetime import datetime
from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson
from kq_cli.printing import print_report

Symbol = Annotated[str, typer.Argument(help="In any spelling: SH600000, 600000.SH, AAPL.")]
Since = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Only changes recorded since then (UTC)."),
]
Freq = Annotated[str | None, typer.Option("--freq", help="day, 5min, …; default: daily if available.")]


def history(symbol: Symbol, since: Since = None, freq: Freq = None, as_json: AsJson = False) -> None:
    """Example: kq history SH600000

    Show how a symbol's stored bars changed: values replaced by later ingests (old -> new, when, source) and bars no
    longer in the source. Never blocks an ingest.
    """
    from kronos_quant.market import symbol_history

    print_report(symbol_history(kq.open().market(freq), symbol, since), as_json)
