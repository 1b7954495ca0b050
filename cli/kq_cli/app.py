"""The Typer app, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import logging
import os
import sys

import typer

from kq_cli import (
    backtest,
    check,
    compare,
    config,
    demo,
    doctor,
    evaluate,
    export,
    forecast,
    history,
    ingest,
    init,
    model,
    parity,
    signals,
    snapshot,
    sweep,
    train,
    universe,
)
from kronos_quant import KronosQuantError, __version__

INTERRUPTED = 130
START, BARS, MODEL = "Start here", "Bars", "Model and strategy"

app = typer.Typer(
    name="kq",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None if os.environ.get("NO_COLOR") else "rich",
    help="Example: kq demo\n\nQuant research and back-testing around the Kronos K-line model: "
    "bars in, an honest answer out.",
    epilog="A day with it: kq init my-research; kq ingest qlib; kq train; kq signal; kq backtest strategies/topk.yaml",
)
app.command("init", short_help="Make a workspace.", rich_help_panel=START)(init.init)
app.command("demo", short_help="The whole path on a made market, in about two minutes.", rich_help_panel=START)(
    demo.demo
)
app.add_typer(ingest.app, name="ingest", short_help="Read bars and lists: qlib, csv, table, ...", rich_help_panel=BARS)
app.command("universe", short_help="Who belongs to a universe on a date.", rich_help_panel=BARS)(universe.universe)
app.command("check", short_help="Check the stored bars; exit 3 when a gate fails.", rich_help_panel=BARS)(check.check)
app.command("history", short_help="What became of a symbol's stored bars.", rich_help_panel=BARS)(history.history)
app.command("train", short_help="Fine-tune Kronos on the workspace's bars.", rich_help_panel=MODEL)(train.train)
app.add_typer(signals.app, name="signal", short_help="Compute, show and compare signals.", rich_help_panel=MODEL)
app.command("forecast", short_help="Forecast one symbol, with a picture.", rich_help_panel=MODEL)(forecast.forecast)
app.add_typer(model.app, name="model", short_help="The models: list, add, show.", rich_help_panel=MODEL)
app.command("evaluate", short_help="Say what stored signals are worth.", rich_help_panel=MODEL)(evaluate.evaluate)
app.command("backtest", short_help="Run a strategy; leaves a tearsheet.", rich_help_panel=MODEL)(backtest.backtest)
app.command("sweep", short_help="One strategy over a grid of settings.", rich_help_panel=MODEL)(sweep.sweep)
app.command("compare", short_help="Back-tests side by side.", rich_help_panel=MODEL)(compare.compare)
app.command("parity", short_help="Engine, ledger and Qlib side by side, by rule.", rich_help_panel=MODEL)(parity.parity)
app.add_typer(export.app, name="export", short_help="Write bars for other programs.", rich_help_panel=BARS)
app.add_typer(snapshot.app, name="snapshot", short_help="The published states of the bars.", rich_help_panel=BARS)
app.command("doctor", short_help="Say what is missing, and what mends it.", rich_help_panel=START)(doctor.doctor)
app.add_typer(
    config.app, name="config", short_help="Show the configuration and where it comes from.", rich_help_panel=START
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kq {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Set logging up for every command."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("kronos_quant").setLevel(logging.INFO)


def main() -> None:
    """Run `kq`; every error ends in one clear line, a hint, and the code of its class."""
    try:
        code = app(standalone_mode=False, prog_name="kq") or 0
        if code == INTERRUPTED:  # Typer turns Ctrl-C into this code and says nothing
            code = _fail("interrupted", "what was finished is kept; run the same command again", code)
    except KronosQuantError as error:
        code = _fail(str(error), error.hint, error.exit_code, error)
    except typer.TyperException as error:
        code = _usage_error(error)
    except OSError as error:
        if error.errno == errno.EPIPE:  # `kq … | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        else:
            code = _fail(f"{error.filename or 'system'}: {error.strerror or error}", None, 1, error)
    sys.exit(code)


def _fail(message: str, hint: str | None, code: int, error: BaseException | None = None) -> int:
    if error is not None and os.environ.get("KQ_DEBUG"):
        raise error
    first, *others = message.splitlines() or [""]
    lines = [f"error: {first}", *(f"       {line}" for line in others)]
    typer.echo("\n".join([*lines, f"hint:  {hint}"] if hint else lines), err=True)
    return code


def _usage_error(error: typer.TyperException) -> int:
    """What Typer itself refuses: an unknown command or option, a missing argument, a value of the wrong kind."""
    context = getattr(error, "ctx", None)
    message = getattr(error, "format_message", error.__str__)()
    if not message and context is not None:  # no arguments at all: Typer has printed the help
        return 2
    return _fail(message, f"{context.command_path} --help" if context is not None else None, 2, error)
