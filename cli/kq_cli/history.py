"""kq history."""

from datetime import datetime
from typing import Annotated

import typer

from kq_cli.options import AsJson, day
from kq_cli.printing import print_report

Symbol = Annotated[str, typer.Argument(help="In any spelling: SH600000, 600000.SH, AAPL.")]
Since = Annotated[
    datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="Only what was recorded on that day or later.")
]
Freq = Annotated[str | None, typer.Option("--freq", help="day, 5min, …; default: daily where there are daily bars.")]


def history(symbol: Symbol, since: Since = None, freq: Freq = None, as_json: AsJson = False) -> None:
    """Example: kq history SH600000

    What became of a symbol's stored bars: values that a later ingest replaced (old -> new, when, from which source),
    and bars that vanished from their source, which are kept. Reads the published snapshot: no ingest waits for it.
    """
    from kronos_quant.market import symbol_history, workspace_market
    from kronos_quant.workspace import open_workspace_folder

    market = workspace_market(open_workspace_folder(), freq)
    print_report(symbol_history(market, symbol, day(since)), as_json)
