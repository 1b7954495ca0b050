"""kq export."""

from pathlib import Path
from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson, End, Start
from kq_cli.printing import print_report

app = typer.Typer(no_args_is_help=True, help="Example: kq export bars out.parquet\n\nWrite bars for other programs.")

Out = Annotated[Path, typer.Argument(help="File or folder to write; must not exist.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="parquet, csv (OUT.csv: one file; else one per symbol) or qlib; default: by OUT."),
]
Symbols = Annotated[str | None, typer.Option("--symbols", help="Comma-separated; default: all.")]
Freq = Annotated[str | None, typer.Option("--freq", help="day, 5min, …; default: daily if available.")]


@app.command(short_help="Write bars as Parquet, CSV or a Qlib directory.")
def bars(
    out: Out,
    form: Format = None,
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    freq: Freq = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq export bars my_qlib --format qlib

    Write the stored bars: adjusted prices with their factor. Reading them again gives the same bars bit for bit.
    """
    from kronos_quant.market import export_bars

    names = None if symbols is None else [symbol for symbol in symbols.split(",") if symbol.strip()]
    report = export_bars(kq.open().market(freq), out, form, symbols=names, start=start, end=end)
    print_report(report, as_json)


@app.callback()
def group() -> None:
    """Keep `bars` a sub-command."""
