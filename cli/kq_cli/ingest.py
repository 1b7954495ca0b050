"""kq ingest."""

from pathlib import Path
from typing import Annotated

import typer

from kq_cli.options import AsJson, Exchange
from kq_cli.printing import print_report

app = typer.Typer(
    no_args_is_help=True,
    help="Example: kq ingest qlib\n\nRead bars, check them, publish them; or the lists that bars do not carry.",
)

Source = Annotated[Path | None, typer.Argument(help="A Qlib directory; default: market.qlib_dir of kq.yaml.")]
CsvSource = Annotated[Path, typer.Argument(help="A CSV file (also .gz, .zst), or a folder with one file a symbol.")]
TableSource = Annotated[Path, typer.Argument(help="A Parquet, Arrow or Feather file, or a folder of them.")]
ListSource = Annotated[Path, typer.Argument(help="A CSV file with symbol, start, end (empty: still so).")]
Universe = Annotated[str, typer.Argument(help="Its name, e.g. csi300; replaces the stored one.")]
Kind = Annotated[str, typer.Argument(help="st, listing, or industry (with a column value).")]
Labels = Annotated[str, typer.Option("--labels", help="Intraday stamps are of the bars' end or start.")]
Freq = Annotated[str, typer.Option("--freq", help="day, 1min, 5min: which calendar and .bin files to read.")]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Symbol of the file; default: column or file name.")]
Amount = Annotated[str, typer.Option("--amount", help="Missing amount: derive (volume x mean price), zero, as_is.")]
Strength = Annotated[float, typer.Option("--strength", min=0, max=1, help="Of the hidden pattern; 0: none.")]
Symbols = Annotated[int, typer.Option("--symbols", min=5, max=5000, help="How many stocks.")]
Sessions = Annotated[int, typer.Option("--sessions", min=60, max=10000, help="How many days.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Equal seeds make equal markets.")]


@app.command(short_help="A Qlib directory.")
def qlib(
    source: Source = None,
    freq: Freq = "day",
    labels: Labels = "end",
    exchange: Exchange = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq ingest qlib ~/.qlib/qlib_data/cn_data

    Read a Qlib directory (calendars/, instruments/, features/) into the workspace.
    """
    from kronos_quant.market import ingest_qlib
    from kronos_quant.workspace import open_workspace_folder

    workspace = open_workspace_folder(flags={"market.qlib_dir": source, "market.exchange": exchange})
    market = workspace.config.market
    source = market.qlib_dir.expanduser()
    report = ingest_qlib(workspace.root, source, freq=freq, exchange=market.exchange, labels=labels)
    print_report(report, as_json)


@app.command(short_help="A CSV file of K-lines, or a folder of them.")
def csv(
    source: CsvSource,
    symbol: Symbol = None,
    amount: Amount = "derive",
    labels: Labels = "end",
    exchange: Exchange = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq ingest csv data/HK_ali_09988_kline_5min_all.csv

    Read K-lines with the columns timestamps, open, high, low, close, volume, amount, in any order.
    """
    from kronos_quant.market import ingest_csv
    from kronos_quant.workspace import open_workspace_folder

    workspace = open_workspace_folder(flags={"market.exchange": exchange})
    exchange = workspace.config.market.exchange
    report = ingest_csv(workspace.root, source, symbol=symbol, exchange=exchange, amount=amount, labels=labels)
    print_report(report, as_json)


@app.command(short_help="A Parquet, Arrow or Feather file of K-lines, or a folder of them.")
def table(
    source: TableSource,
    symbol: Symbol = None,
    amount: Amount = "derive",
    labels: Labels = "end",
    exchange: Exchange = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq ingest table data/bars.parquet

    Read K-lines from Parquet, Arrow or Feather: the same columns as CSV, typed or as text.
    """
    from kronos_quant.market import ingest_table
    from kronos_quant.workspace import open_workspace_folder

    workspace = open_workspace_folder(flags={"market.exchange": exchange})
    exchange = workspace.config.market.exchange
    report = ingest_table(workspace.root, source, symbol=symbol, exchange=exchange, amount=amount, labels=labels)
    print_report(report, as_json)


@app.command(short_help="Who belongs to a universe and when, from CSV.")
def universe(name: Universe, source: ListSource, as_json: AsJson = False) -> None:
    """Example: kq ingest universe csi300 csi300.csv

    Read a universe's intervals; a symbol may have several. Qlib directories bring theirs along.
    """
    from kronos_quant.market import ingest_universe
    from kronos_quant.workspace import open_workspace_folder

    report = ingest_universe(open_workspace_folder().root, name, source)
    print_report(report, as_json)


@app.command(short_help="ST, listings or industries by date, from CSV.")
def intervals(kind: Kind, source: ListSource, as_json: AsJson = False) -> None:
    """Example: kq ingest intervals st st.csv

    Read dated facts about symbols that Qlib does not carry; without them the rules that need them are off.
    """
    from kronos_quant.market import ingest_intervals
    from kronos_quant.workspace import open_workspace_folder

    report = ingest_intervals(open_workspace_folder().root, kind, source)
    print_report(report, as_json)


@app.command(short_help="A made market with a known pattern.")
def synthetic(
    strength: Strength = 0.2, symbols: Symbols = 150, sessions: Sessions = 800, seed: Seed = 0, as_json: AsJson = False
) -> None:
    """Example: kq ingest synthetic --strength 0.2

    Make a market with a known, weak, learnable pattern of next-days returns; equal options make equal bars.
    """
    from kronos_quant.market import ingest_synthetic
    from kronos_quant.workspace import open_workspace_folder

    report = ingest_synthetic(
        open_workspace_folder().root, strength=strength, symbols=symbols, sessions=sessions, seed=seed
    )
    print_report(report, as_json)
