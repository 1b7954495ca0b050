"""kq ingest."""

from pathlib import Path
from typing import Annotated

import typer

from kq_cli.options import AsJson, Exchange
from kq_cli.printing import print_json, print_lines

app = typer.Typer(no_args_is_help=True, help="Example: kq ingest qlib\n\nRead bars, check them, publish them.")

Source = Annotated[Path | None, typer.Argument(help="A Qlib directory; default: market.qlib_dir of kq.yaml.")]
CsvSource = Annotated[Path, typer.Argument(help="A CSV file, or a folder with one file a symbol.")]
Freq = Annotated[str, typer.Option("--freq", help="day, 1min, 5min: which calendar and .bin files to read.")]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Symbol of the file; default: column or file name.")]
Amount = Annotated[str, typer.Option("--amount", help="Missing amount: derive (volume x mean price), zero, as_is.")]
Strength = Annotated[float, typer.Option("--strength", min=0, max=1, help="Of the hidden pattern; 0: none.")]
Symbols = Annotated[int, typer.Option("--symbols", min=5, max=5000, help="How many stocks.")]
Sessions = Annotated[int, typer.Option("--sessions", min=60, max=10000, help="How many days.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Equal seeds make equal markets.")]


@app.command(short_help="A Qlib directory.")
def qlib(source: Source = None, freq: Freq = "day", exchange: Exchange = None, as_json: AsJson = False) -> None:
    """Example: kq ingest qlib ~/.qlib/qlib_data/cn_data

    Read a Qlib directory (calendars/, instruments/, features/) into the workspace.
    """
    from kronos_quant.market import ingest_qlib
    from kronos_quant.workspace import open_workspace

    workspace = open_workspace(flags={"market.qlib_dir": source, "market.exchange": exchange})
    market = workspace.config.market
    report = ingest_qlib(workspace.root, market.qlib_dir.expanduser(), freq=freq, exchange=market.exchange)
    print_json(report.as_dict()) if as_json else print_lines(report.lines())


@app.command(short_help="A CSV file of K-lines, or a folder of them.")
def csv(
    source: CsvSource,
    symbol: Symbol = None,
    amount: Amount = "derive",
    exchange: Exchange = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq ingest csv data/HK_ali_09988_kline_5min_all.csv

    Read K-lines with the columns timestamps, open, high, low, close, volume, amount, in any order.
    """
    from kronos_quant.market import ingest_csv
    from kronos_quant.workspace import open_workspace

    workspace = open_workspace(flags={"market.exchange": exchange})
    exchange = workspace.config.market.exchange
    report = ingest_csv(workspace.root, source, symbol=symbol, exchange=exchange, amount=amount)
    print_json(report.as_dict()) if as_json else print_lines(report.lines())


@app.command(short_help="A made market with a known pattern.")
def synthetic(
    strength: Strength = 0.2, symbols: Symbols = 150, sessions: Sessions = 800, seed: Seed = 0, as_json: AsJson = False
) -> None:
    """Example: kq ingest synthetic --strength 0.2

    Make a market with a known, weak, learnable pattern of next-days returns; equal options make equal bars.
    """
    from kronos_quant.market import ingest_synthetic
    from kronos_quant.workspace import open_workspace

    report = ingest_synthetic(open_workspace().root, strength=strength, symbols=symbols, sessions=sessions, seed=seed)
    print_json(report.as_dict()) if as_json else print_lines(report.lines())
