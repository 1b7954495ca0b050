"""kq drop."""

from pathlib import Path
from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson
from kq_cli.printing import print_report

app = typer.Typer(no_args_is_help=True, help="Example: kq drop symbol SH600000\n\nRemove symbols or sources of bars.")

Names = Annotated[list[str], typer.Argument(metavar="SYMBOL...", help="In any spelling: SH600000, 600000.SH, AAPL.")]
Place = Annotated[Path, typer.Argument(help="File, directory or folder of files that was read; it may be gone.")]
Freq = Annotated[str | None, typer.Option("--freq", help="Only bars of this frequency: day, 5min, ...; default: all.")]
Yes = Annotated[bool, typer.Option("--yes", help="Remove; without it, only report what would be removed.")]


@app.command(short_help="Remove symbols.")
def symbol(symbols: Names, freq: Freq = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Example: kq drop symbol SH600000 SZ000001

    Report the bars of symbols and the sessions that only they have; with --yes, remove them. Old values stay in
    kq history; universes and intervals keep the symbols; stored signals are not touched.
    """
    print_report(kq.open().drop(symbols, freq=freq, delete=yes), as_json)


@app.command(short_help="Remove what a source brought.")
def source(place: Place, freq: Freq = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Example: kq drop source data/bars.csv

    Report the bars, sessions and universes that only this source brought; with --yes, remove them. A bar that another
    source brought too stays.
    """
    print_report(kq.open().drop(source=place, freq=freq, delete=yes), as_json)
