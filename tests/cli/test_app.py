"""Help, usage errors, exit codes and streams of the whole command."""

import re
import shutil
from itertools import pairwise

import pytest
from commands import commands, parse
from kq_cli.app import main

from kronos_quant import __version__

ANSI = re.compile(r"\x1b\[")


@pytest.mark.parametrize("name", commands())
def test_the_help_of_every_command_starts_with_an_example_that_parses(name):
    first = commands()[name].help.splitlines()[0]
    assert first.startswith("Example: kq ")
    example = first.removeprefix("Example: ")
    used = parse(example)
    assert used == name or (used.startswith(name) and hasattr(commands()[name], "commands"))


@pytest.mark.parametrize("name", commands())
def test_every_command_says_in_a_line_what_it_is_for_and_explains_its_options(name):
    command = commands()[name]
    assert name == "kq" or command.short_help
    assert all(option.help for option in command.params if option.name != "help")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", commands())
def test_help_texts_wrap_with_the_terminal(kq, tmp_path, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = [line.strip() for line in kq(tmp_path, *name.split()[1:], "--help").out.splitlines()]
    assert max(map(len, lines)) <= width
    words = " ".join(commands()[name].help.split()).split(" ")
    text = lines[next(i for i, line in enumerate(lines) if line.startswith("Example:")) :]
    text = text[: next((i for i, line in enumerate(text) if line.startswith("╭")), len(text))]
    assert [word for line in text for word in line.split()][: len(words)] == words
    starts = {line.split(" ")[0] for line in commands()[name].help.splitlines() if line}
    for line, following in pairwise(text):
        # a line ends where the next word does not fit, or where a paragraph or an item ends
        first = following.split(" ")[0]
        assert not line or not following or first in starts or len(line) + 1 + len(first) > width - 2


@pytest.mark.parametrize("name", commands())
def test_help_is_printed_to_stdout_with_exit_code_0(kq, tmp_path, name):
    done = kq(tmp_path, *name.split()[1:], "--help")
    assert done.code == 0
    assert f"Usage: {name} " in done.out
    assert "Example: kq " in done.out
    assert done.err == ""
    assert not ANSI.search(done.out)


def test_the_version_is_printed(kq, tmp_path):
    done = kq(tmp_path, "--version")
    assert (done.code, done.out, done.err) == (0, f"kq {__version__}\n", "")


@pytest.mark.parametrize("group", [(), ("ingest",), ("config",)])
def test_a_group_without_a_command_prints_its_help(kq, tmp_path, group):
    done = kq(tmp_path, *group)
    assert done.code == 2
    assert "COMMAND [ARGS]" in done.out
    assert "Example: kq" in done.out


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["traim"], "No such command 'traim'. Did you mean 'train'?", "kq --help"),
        (["ingest", "qlob"], "No such command 'qlob'. Did you mean 'qlib'?", "kq ingest --help"),
        (["train", "--gpu", "1"], "No such option: --gpu", "kq train --help"),
        (["train", "--gpus", "many"], "--gpus: must be an integer", "kq train --help"),
        (["train", "--gpus", "-1"], "--gpus: must be at least 0", "kq train --help"),
        (["signal", "--date", "6/5/2025"], "--date: expected YYYY-MM-DD, found '6/5/2025'", "kq signal --help"),
        (["backtest"], "Missing argument 'strategy'", "kq backtest --help"),
        (["demo", "--strength", "2"], "--strength: must be at most 1", "kq demo --help"),
        (["doctor", "now"], "Got unexpected extra argument", "kq doctor --help"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(kq, tmp_path, arguments, message, hint):
    code, error, told = kq(tmp_path, *arguments).refusal()
    assert code == 2
    assert message in error
    assert "\n" not in error
    assert told == hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        ("init", "ODD"),
        ("ingest", "csv", "ODD"),
        ("ingest", "qlib", "ODD"),
        ("ingest", "universe", "own", "ODD"),
        ("backtest", "ODD"),
        ("signal", "import", "ODD", "--name", "own"),
        ("signal", "--recipe", "ODD"),
        ("model", "add", "ODD", "--name", "own"),
        ("evaluate", "--recipe", "ODD"),
        ("history", "ODD"),
        ("audit", "--advisories", "ODD"),
        ("compare", "ODD", "other"),
        ("doctor", "ODD"),
        ("signal", "--date", "ODD"),
        ("ODD",),
    ],
)
def test_a_line_break_in_a_name_is_escaped_in_the_one_line_of_an_error(kq, market_folder, tmp_path, line):
    folder = tmp_path / "new\nline"
    shutil.copytree(market_folder, folder)
    odd = "it\nis.csv"
    (folder / odd).write_text("no bars\n")
    done = kq(folder, *(odd if word == "ODD" else word for word in line))
    errors = [text for text in done.err.splitlines() if not text.startswith("hint:  ")]
    assert done.code in (1, 2, 3, 4)
    assert [text[:7] for text in errors] == ["error: "], done.err


def test_the_error_of_a_command_is_shown_as_a_traceback_for_debugging(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KQ_DEBUG", "1")
    monkeypatch.setattr("sys.argv", ["kq", "config", "show"])
    with pytest.raises(Exception, match="not in a workspace"):
        main()


def test_a_real_process_has_the_same_exit_code_and_streams(kq_process, tmp_path):
    code, error, hint = kq_process(tmp_path, "config", "show").refusal()
    assert code == 2
    assert error == f"{tmp_path}: not in a workspace: no kq.yaml here or above"
    assert hint == "kq init my-research && cd my-research"
    done = kq_process(tmp_path, "init")
    assert (done.code, done.err) == (0, "")
    done = kq_process(tmp_path, "config", "show", KQ_TRAIN__BATCH_SIZE="7")
    assert re.search(r"train\.batch_size +7 +KQ_TRAIN__BATCH_SIZE \(default 50\)\n", done.out)


def test_ctrl_c_is_one_line_and_exit_code_130(kq_process, market_workspace):
    stop = (
        "import os, signal, time, kronos_quant.market as market\n"
        "def wait(*arguments, **settings):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(30)\n"
        "market.ingest_synthetic = wait"
    )
    done = kq_process(market_workspace.root, "ingest", "synthetic", before=stop)
    assert done.code == 130
    assert done.out == ""
    assert done.err.strip().splitlines() == [
        "error: interrupted",
        "hint:  completed work is kept; run the same command again",
    ]


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_no_colour_codes_where_they_are_not_wanted(kq_process, tmp_path, environment):
    for arguments in (["--help"], ["train", "--help"], ["traim"]):
        done = kq_process(tmp_path, *arguments, **environment)
        assert not ANSI.search(done.out + done.err)


def test_the_shell_completes_commands(kq_process, tmp_path):
    script = kq_process(tmp_path, _KQ_COMPLETE="source_bash").out
    assert "complete" in script
    assert "_KQ_COMPLETE=complete_bash" in script
    asked = {"_KQ_COMPLETE": "complete_bash", "COMP_WORDS": "kq ing", "COMP_CWORD": "1"}
    assert kq_process(tmp_path, **asked).out.split() == ["ingest"]
