"""kq ingest."""

from pathlib import Path
from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson, Exchange
from kq_cli.printing import print_report
from kronos_quant.bounds import LARGEST_SEED

app = typer.Typer(
    no_args_is_help=True,
    help="Example: kq ingest qlib\n\nRead, check and publish bars, or lists that a source of bars does not contain.",
)

Source = Annotated[Path | None, typer.Argument(help="A Qlib directory; default: market.qlib_dir of kq.yaml.")]
CsvSource = Annotated[Path, typer.Argument(help="A CSV file (also .gz, .zst), or a folder with one file per symbol.")]
TableSource = Annotated[Path, typer.Argument(help="A Parquet, Arrow or Feather file, or a folder of them.")]
Index = Annotated[str, typer.Argument(help="Name of the index, e.g. csi300; stored weights of it are replaced.")]
WeightSource = Annotated[Path, typer.Argument(help="A CSV file with date, symbol and weight.")]
ListSource = Annotated[Path, typer.Argument(help="A CSV file with symbol, start, end (empty: not ended).")]
DateSource = Annotated[Path, typer.Argument(help="A text file with a column of dates (date, trade_date, cal_date).")]
DividendSource = Annotated[Path, typer.Argument(help="A CSV file of dividends, or a folder with one file per symbol.")]
Universe = Annotated[str, typer.Argument(help="Name of the universe, e.g. csi300; a stored one is replaced.")]
Kind = Annotated[str, typer.Argument(help="st, listing, delisting; industry and fund (with a column value).")]
Stamps = Annotated[
    str, typer.Option("--labels", help="Intraday stamps mark the end or start of a bar; auto: detected.")
]
Dialect = Annotated[str, typer.Option("--dialect", help="Whose file it is: tushare, eastmoney, ...; auto: detected.")]
VolumeUnit = Annotated[
    str, typer.Option("--volume-unit", help="What volume counts: shares, lots, thousand, ten-thousand; auto: detected.")
]
AmountUnit = Annotated[
    str, typer.Option("--amount-unit", help="What amount counts: units, thousand, ten-thousand, ...; auto: detected.")
]
DayFirst = Annotated[
    bool | None, typer.Option("--day-first/--month-first", help="05/06/2024 is in June, or in May; default: detected.")
]
Factors = Annotated[Path | None, typer.Option("--factors", help="Factors of raw prices; default: files next to it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what is understood, and write nothing.")]
Labels = Annotated[str, typer.Option("--labels", help="Intraday stamps mark the end or the start of a bar.")]
Freq = Annotated[str, typer.Option("--freq", help="Frequency of the calendar and .bin files: day, 1min, 5min, ...")]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Symbol of the file; default: from a column or its name.")]
Amount = Annotated[str, typer.Option("--amount", help="Missing amount: derive (volume x mean price), zero, as_is.")]
Strength = Annotated[float, typer.Option("--strength", min=0, max=1, help="Strength of the hidden pattern; 0: none.")]
Symbols = Annotated[int, typer.Option("--symbols", min=5, max=5000, help="Number of stocks.")]
Sessions = Annotated[int, typer.Option("--sessions", min=60, max=10000, help="Number of sessions.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Equal seeds give equal markets.")]


@app.command(short_help="A Qlib directory.")
def qlib(
    source: Source = None,
    freq: Freq = "day",
    labels: Labels = "end",
    volume_unit: VolumeUnit = "auto",
    amount_unit: AmountUnit = "auto",
    exchange: Exchange = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq ingest qlib ~/.qlib/qlib_data/cn_data

    Read a Qlib directory (calendars/, instruments/, features/).
    """
    report = kq.open().ingest_qlib(
        source, freq=freq, labels=labels, volume_unit=volume_unit, amount_unit=amount_unit, exchange=exchange
    )
    print_report(report, as_json)


@app.command(short_help="A CSV file of K-lines, or a folder of them.")
def csv(
    source: CsvSource,
    symbol: Symbol = None,
    amount: Amount = "derive",
    labels: Stamps = "auto",
    dialect: Dialect = "auto",
    volume_unit: VolumeUnit = "auto",
    amount_unit: AmountUnit = "auto",
    day_first: DayFirst = None,
    factors: Factors = None,
    exchange: Exchange = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Example: kq ingest csv data/HK_ali_09988_kline_5min_all.csv

    Read K-lines as vendors write them: names, order, encoding, separator and units are detected.
    """
    ws = kq.open()
    read = ws.preview if dry_run else ws.ingest_csv
    report = read(
        source,
        symbol=symbol,
        amount=amount,
        labels=labels,
        dialect=dialect,
        volume_unit=volume_unit,
        amount_unit=amount_unit,
        day_first=day_first,
        factors=factors,
        exchange=exchange,
    )
    print_report(report, as_json)


@app.command(short_help="A Parquet, Arrow or Feather file of K-lines, or a folder of them.")
def table(
    source: TableSource,
    symbol: Symbol = None,
    amount: Amount = "derive",
    labels: Stamps = "auto",
    dialect: Dialect = "auto",
    volume_unit: VolumeUnit = "auto",
    amount_unit: AmountUnit = "auto",
    day_first: DayFirst = None,
    exchange: Exchange = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Example: kq ingest table data/bars.parquet

    Read K-lines from Parquet, Arrow or Feather, with the same columns as CSV.
    """
    ws = kq.open()
    read = ws.preview if dry_run else ws.ingest
    report = read(
        source,
        symbol=symbol,
        amount=amount,
        labels=labels,
        dialect=dialect,
        volume_unit=volume_unit,
        amount_unit=amount_unit,
        day_first=day_first,
        exchange=exchange,
    )
    print_report(report, as_json)


@app.command(short_help="Constituents of a universe by date, from CSV.")
def universe(name: Universe, source: ListSource, as_json: AsJson = False) -> None:
    """Example: kq ingest universe csi300 csi300.csv

    Read the intervals in which symbols belong to a universe. Qlib directories already contain theirs.
    """
    print_report(kq.open().ingest_universe(name, source), as_json)


@app.command(short_help="ST status, listings or industries by date, from CSV.")
def intervals(kind: Kind, source: ListSource, as_json: AsJson = False) -> None:
    """Example: kq ingest intervals st st.csv

    Read dated facts about symbols that a Qlib directory does not contain. Rules that need them are off without them.
    """
    print_report(kq.open().ingest_intervals(kind, source), as_json)


@app.command(short_help="The weights of an index by date, from CSV.")
def weights(index: Index, source: WeightSource, as_json: AsJson = False) -> None:
    """Example: kq ingest weights csi300 index_weight.csv

    Read the weights of an index, which strategies with `weighting: optimise` measure themselves against. The weights of
    a date hold until the next date of the file; they add up to 1 or 100 on each.
    """
    print_report(kq.open().ingest_weights(index, source), as_json)


@app.command(short_help="The sessions of an exchange, from CSV.")
def calendar(source: DateSource, exchange: Exchange = None, as_json: AsJson = False) -> None:
    """Example: kq ingest calendar sessions_2027.csv

    Read which days are sessions, from the first to the last date of the file: for the time after the known calendar, or
    for an exchange without one. A stored calendar is replaced.
    """
    print_report(kq.open().ingest_calendar(source, exchange=exchange), as_json)


@app.command(short_help="Dividends, bonus shares and rights, from CSV.")
def dividends(source: DividendSource, as_json: AsJson = False) -> None:
    """Example: kq ingest dividends dividends.csv

    Read what companies paid and gave per share by ex-date, as tushare, baostock and akshare write it. Back-tests then
    pay dividends in cash, with the tax on them.
    """
    print_report(kq.open().ingest_dividends(source), as_json)


@app.command(short_help="A synthetic market with a known pattern.")
def synthetic(
    strength: Strength = 0.2, symbols: Symbols = 150, sessions: Sessions = 800, seed: Seed = 0, as_json: AsJson = False
) -> None:
    """Example: kq ingest synthetic --strength 0.2

    Generate a market with a known, weak, learnable pattern in the next days' returns; equal options give equal bars.
    """
    report = kq.open().ingest_synthetic(strength=strength, symbols=symbols, sessions=sessions, seed=seed)
    print_report(report, as_json)
