"""kq export."""

from pathlib import Path
from typing import Annotated

import typer

from kq_cli.options import AsJson, End, Start, day
from kq_cli.printing import print_report

app = typer.Typer(no_args_is_help=True, help="Example: kq export bars out.parquet\n\nWrite bars for other programs.")

Out = Annotated[Path, typer.Argument(help="A file or folder that is not there yet.")]
Format = Annotated[str, typer.Option("--format", help="parquet, csv (OUT.csv: one file; else one a symbol) or qlib.")]
Symbols = Annotated[str | None, typer.Option("--symbols", help="Which, with commas between; default: all.")]
Freq = Annotated[str | None, typer.Option("--freq", help="day, 5min, …; default: daily where there are daily bars.")]


@app.command(short_help="Bars as Parquet, CSV or a Qlib directory.")
def bars(
    out: Out,
    form: Format = "parquet",
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    freq: Freq = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq export bars my_qlib --format qlib

    Write the stored bars, adjusted prices beside their factor. Reading them again gives the same bars bit for bit.
    """
    from kronos_quant.market import export_bars, workspace_market
    from kronos_quant.workspace import open_workspace_folder

    report = export_bars(
        workspace_market(open_workspace_folder(), freq),
        out,
        form,
        symbols=None if symbols is None else [symbol for symbol in symbols.split(",") if symbol.strip()],
        start=day(start),
        end=day(end),
    )
    print_report(report, as_json)


@app.callback()
def group() -> None:
    """Keep `bars` a sub-command."""
