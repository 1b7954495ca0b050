"""The Typer app, and the one place where errors become exit codes."""

from __future__ import annotations

import inspect
import logging
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import typer

from kq_cli import (
    audit,
    backtest,
    check,
    compare,
    config,
    demo,
    doctor,
    drop,
    evaluate,
    export,
    forecast,
    history,
    ingest,
    init,
    licenses,
    model,
    parity,
    runs,
    signals,
    snapshot,
    sweep,
    train,
    universe,
)
from kronos_quant import ConfigError, KronosQuantError, __version__
from kronos_quant.errors import error_lines
from kronos_quant.inputs import short_repr
from kronos_quant.system import (
    accept_every_letter,
    choose_temporary_folder,
    discard_output,
    is_closed_pipe,
    open_streams,
)

INTERRUPTED = 130
START, BARS, MODEL = "Start here", "Bars", "Model and strategy"
RICH = not os.environ.get("NO_COLOR")
ITEM = re.compile(r"- |`\w+`(, `\w+`)*: ")
"""A line of a help text that stays a line of its own."""
_WRONG_VALUE = re.compile(r"Invalid value for '(?P<name>[^']+)': (?P<reason>.+)", re.DOTALL)
_REASONS = (
    (
        re.compile(r"(?:Value error, )?('.*') does not match the formats? .*%H.*", re.DOTALL),
        r"expected YYYY-MM-DD or YYYY-MM-DDTHH:MM, found \1",
    ),
    (
        re.compile(r"(?:Value error, )?('.*') does not match the formats? .*", re.DOTALL),
        r"expected YYYY-MM-DD, found \1",
    ),
    (re.compile(r"Input should be a valid integer\b.*"), "must be an integer"),
    (re.compile(r"Input should be a valid number\b.*"), "must be a number"),
    (re.compile(r"Input should be greater than or equal to (.+)"), r"must be at least \1"),
    (re.compile(r"Input should be less than or equal to (.+)"), r"must be at most \1"),
)
"""Typer's reasons for refusing a value -> what is expected."""

app = typer.Typer(
    name="kq",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if RICH else None,
    help="Example: kq demo\n\nQuant research and back-testing around the Kronos K-line model: "
    "from bars to an honest verdict.",
    epilog="A first day: kq init my-research; cd my-research; kq ingest qlib; kq train; kq signal; kq evaluate; "
    "kq backtest strategies/topk.yaml",
)
app.command("init", short_help="Create a workspace.", rich_help_panel=START)(init.init)
app.command("demo", short_help="Run the full pipeline on a synthetic market.", rich_help_panel=START)(demo.demo)
app.command("doctor", short_help="Check the installation and show how to fix problems.", rich_help_panel=START)(
    doctor.doctor
)
app.command("licenses", short_help="List the licences of the installed packages.", rich_help_panel=START)(
    licenses.licenses
)
app.command("audit", short_help="Compare the installed packages with published advisories.", rich_help_panel=START)(
    audit.audit
)
app.add_typer(
    config.app,
    name="config",
    short_help="Show the configuration, where it comes from and what it means.",
    rich_help_panel=START,
)
app.add_typer(
    ingest.app, name="ingest", short_help="Ingest bars and lists: qlib, csv, table, ...", rich_help_panel=BARS
)
app.command("check", short_help="Check the stored bars; exit 3 when a gate fails.", rich_help_panel=BARS)(check.check)
app.command("universe", short_help="List the constituents of a universe on a date.", rich_help_panel=BARS)(
    universe.universe
)
app.command("history", short_help="Show how a symbol's stored bars changed.", rich_help_panel=BARS)(history.history)
app.add_typer(drop.app, name="drop", short_help="Remove symbols or sources of bars.", rich_help_panel=BARS)
app.add_typer(export.app, name="export", short_help="Export bars for other programs.", rich_help_panel=BARS)
app.add_typer(snapshot.app, name="snapshot", short_help="List and delete published snapshots.", rich_help_panel=BARS)
app.command("train", short_help="Fine-tune Kronos on the workspace's bars.", rich_help_panel=MODEL)(train.train)
app.add_typer(model.app, name="model", short_help="List, add and show models.", rich_help_panel=MODEL)
app.add_typer(signals.app, name="signal", short_help="Compute, show and compare signals.", rich_help_panel=MODEL)
app.command("forecast", short_help="Forecast one symbol, with a chart.", rich_help_panel=MODEL)(forecast.forecast)
app.command("evaluate", short_help="Evaluate stored signals.", rich_help_panel=MODEL)(evaluate.evaluate)
app.command("backtest", short_help="Back-test a strategy and write a tearsheet.", rich_help_panel=MODEL)(
    backtest.backtest
)
app.command("sweep", short_help="Back-test a strategy over a grid of settings.", rich_help_panel=MODEL)(sweep.sweep)
app.command("compare", short_help="Compare back-tests.", rich_help_panel=MODEL)(compare.compare)
app.command("runs", short_help="List runs, newest first.", rich_help_panel=MODEL)(runs.runs)
app.command("parity", short_help="Compare the engine with the ledger and Qlib.", rich_help_panel=MODEL)(parity.parity)


def unwrapped(text: str) -> str:
    """A help text with one line for each paragraph and each item, so that the terminal's width breaks the lines.

    >>> unwrapped("Example: kq demo\\n\\nOne sentence over\\ntwo lines:\\n- an item")
    'Example: kq demo\\n\\nOne sentence over two lines:\\n- an item'
    """
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines: list[str] = []
        for line in map(str.strip, paragraph.splitlines()):
            if lines and not ITEM.match(line):
                lines[-1] += f" {line}"
            else:
                lines.append(line)
        # without rich, Typer joins the lines of a paragraph again
        paragraphs.append(("\n" if RICH else "\n\n").join(lines))
    return "\n\n".join(paragraphs)


def _unwrap_help(group: typer.Typer) -> None:
    """Unwrap the help text of every command, taken from its docstring as Typer would."""
    for command in group.registered_commands:
        assert command.callback is not None
        command.help = unwrapped(inspect.getdoc(command.callback) or "")
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        _unwrap_help(inner.typer_instance)
    callback = group.registered_callback
    # a group's help is the docstring of its callback (kq signal), or given to Typer
    if callback is not None and (inspect.getdoc(callback.callback) or "").startswith("Example:"):
        callback.help = unwrapped(inspect.getdoc(callback.callback) or "")


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


_unwrap_help(app)


def main() -> None:
    """Run `kq`; every error ends in one clear line, a hint, and the code of its class."""
    open_streams()
    accept_every_letter()
    choose_temporary_folder()
    try:
        _check_surroundings()
        code = app(standalone_mode=False, prog_name="kq") or 0
        if code == INTERRUPTED:  # Typer turns Ctrl-C into this code and says nothing
            _fail(KronosQuantError("interrupted", hint="completed work is kept; run the same command again"))
    except KronosQuantError as error:
        code = _fail(error, error)
    except typer.TyperException as error:
        code = _usage_error(error)
    except OSError as error:
        if is_closed_pipe(error):  # `kq … | head`
            discard_output()
            code = 1
        else:
            hint = "Grant the permission to use it." if isinstance(error, PermissionError) else None
            words = f"{error.filename or 'system'}: {error.strerror or error}"
            code = _fail(KronosQuantError(words, hint=hint), error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Polars is no Exception
        code = _fail_unforeseen(error)
    sys.exit(code)


def _check_surroundings() -> None:
    """Refuse arguments whose bytes are not UTF-8, which no name or path may have, and a folder that was deleted."""
    try:
        Path.cwd()
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"the current folder: {reason}", hint="Change to a folder that exists.") from None
    for argument in sys.argv[1:]:
        if not argument.isascii() and any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise ConfigError(f"argument {short_repr(argument)}: expected UTF-8", hint="Rename what it names.")


def _fail_unforeseen(error: BaseException) -> int:
    from kronos_quant.unforeseen import unforeseen  # loaded only where something went wrong

    if os.environ.get("KQ_DEBUG"):
        raise error
    return _fail(unforeseen(error))


def _fail(error: KronosQuantError, cause: BaseException | None = None) -> int:
    """Print an error and return its code. cause : what KQ_DEBUG shows instead"""
    if cause is not None and os.environ.get("KQ_DEBUG"):
        raise cause
    with suppress(OSError):  # a full disk, or nobody who reads: the code tells
        typer.echo("\n".join(error_lines(error)), err=True)
    return error.exit_code


def _usage_error(error: typer.TyperException) -> int:
    """What Typer itself refuses: an unknown command or option, a missing argument, a value of the wrong kind."""
    context = getattr(error, "ctx", None)
    message = getattr(error, "format_message", error.__str__)()
    if not message and context is not None:  # no arguments at all: Typer has printed the help
        return 2
    message = _WRONG_VALUE.sub(_wrong_value, message)
    hint = f"{context.command_path} --help" if context is not None else None
    return _fail(ConfigError(" ".join(message.split()), hint=hint))


def _wrong_value(refusal: re.Match[str]) -> str:
    """Typer's refusal of a value in the words of the other errors: name, what is expected, and found where known."""
    for pattern, expected in _REASONS:
        reason = pattern.match(refusal["reason"])
        if reason is not None:
            return f"{refusal['name']}: {reason.expand(expected)}"
    return refusal[0]
