"""kq signal and the commands that look after the store."""

import json
import shutil

import pandas as pd
import pytest

ON = "2025-06-05"


@pytest.fixture
def folder(kq, trained_workspace):
    """A workspace with the signals of two sessions."""
    assert kq(trained_workspace.root, "signal", "--start", "2025-06-04", "--top", "0").code == 0
    return trained_workspace.root


def as_json(done):
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def test_the_store_is_listed_and_shown(kq, folder):
    [row] = as_json(kq(folder, "signal", "list", "--json"))
    assert (row["recipes"], row["from"], row["to"], row["state"]) == (["default"], "2025-06-04", ON, "complete")
    assert kq(folder, "signal", "list").out.splitlines()[1].split()[:2] == [row["digest"], "default"]
    table = kq(folder, "signal", "show", "default", "--top", "2").out.splitlines()
    assert table[0].split()[:5] == ["date", "symbol", "close", "last", "std_error"]
    assert len(table) == 1 + 4 + 2
    told = as_json(kq(folder, "signal", "show", row["digest"], "--date", "2025-06-04", "--json"))
    assert {each["date"] for each in told["rows"]} == {"2025-06-04"}


def test_an_empty_store_says_how_to_fill_it(kq, trained_workspace):
    assert "kq signal import" in kq(trained_workspace.root, "signal", "list").out
    code, error, hint = kq(trained_workspace.root, "signal", "show").refusal()
    assert (code, error, hint) == (3, "default: no signals in the store", "kq signal --recipe default")


def test_signals_are_imported_compared_exported_and_pruned(kq, folder, tmp_path):
    rows = [
        (row["date"], row["symbol"]) for row in as_json(kq(folder, "signal", "show", "--top", "99", "--json"))["rows"]
    ]
    text = "".join(f"{on},{symbol},{i}\n" for i, (on, symbol) in enumerate(rows))
    (tmp_path / "mine.csv").write_text(f"date,symbol,alpha\n{text}{ON},NOBODY,1\n")
    arguments = ("signal", "import", str(tmp_path / "mine.csv"), "--name", "mine")
    told = as_json(kq(folder, *arguments, "--json"))
    assert (told["rows"], told["unknown_symbols"], told["score"]) == (len(rows), ["NOBODY"], "alpha")
    code, error, hint = kq(folder, *arguments).refusal()
    assert (code, error) == (3, f"mine: 1 session already imported: {ON}")
    assert hint == "Add --replace to overwrite them."
    assert "replaced: 1 session already stored" in kq(folder, *arguments, "--replace").out
    difference = as_json(kq(folder, "signal", "diff", "default", "mine", "--json"))
    # the table has the symbols from the best to the worst: its ranks are those of the recipe upside down
    assert [row["rank_correlation"] for row in difference["dates"]] == pytest.approx([-1])
    assert (
        kq(folder, "signal", "diff", "default", "mine").out.splitlines()[-1].endswith("scores only in default") is False
    )
    done = kq(folder, "signal", "export", str(tmp_path / "q.parquet"), "--recipe", "mine", "--format", "qlib")
    assert done.out.startswith(f"{tmp_path / 'q.parquet'}: {len(rows)} signals of 1 session")
    assert pd.read_parquet(tmp_path / "q.parquet")["score"].max() == len(rows) - 1
    (folder / "signals" / "mine.yaml").unlink()
    assert "run again with --yes to delete" in kq(folder, "signal", "prune").out
    assert as_json(kq(folder, "signal", "prune", "--yes", "--json"))["deleted"] is True
    assert len(as_json(kq(folder, "signal", "list", "--json"))) == 1
    assert "1 files: 2025-06-04.parquet" in kq(folder, "signal", "prune", "--older-than", ON).out


def test_an_option_of_the_group_before_a_command_is_refused(kq, folder):
    code, error, _ = kq(folder, "signal", "--date", ON, "show").refusal()
    assert code == 2
    assert "--date: goes after show" in error


def test_a_model_that_is_gone_is_one_clear_line(kq, folder):
    shutil.rmtree(folder / "runs" / "train")
    code, error, hint = kq(folder, "signal", "--date", ON).refusal()
    assert code == 4
    assert "no trained model yet" in error
    assert hint.startswith("Run kq train")
    assert kq(folder, "signal", "show").code == 0


def test_code_of_a_recipe_runs_with_allow_code_only(kq, trained_workspace):
    root = trained_workspace.root
    (root / "mine.py").write_text("def score(returns):\n    return returns[:, :, -1].mean(axis=1)\n")
    (root / "signals" / "own.yaml").write_text("samples: 2\nhorizon: 1\nown_score: mine.py\nscore: own\n")
    assert kq(root, "signal", "--recipe", "own").code == 2
    best = as_json_out(kq(root, "signal", "--recipe", "own", "--allow-code", "--json"))["best"]
    assert best[0]["own"] == pytest.approx(best[0]["last"])


def as_json_out(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_more_gpus_than_there_are_is_one_line_before_anything_is_read(kq, trained_workspace, tmp_path):
    code, error, hint = kq(trained_workspace.root, "signal", "--date", ON, "--gpus", "64").refusal()
    assert code == 2
    assert error.startswith("--gpus 64: this machine has ")
    assert hint.startswith("kq signal --gpus ")
    assert kq(tmp_path, "signal", "--gpus", "-1").code == 2


@pytest.mark.slow
def test_a_killed_computation_leaves_what_an_uninterrupted_one_would(kq, kq_process, trained_workspace, tmp_path):
    root = trained_workspace.root
    whole = tmp_path / "whole"
    shutil.copytree(root, whole)
    arguments = ("signal", "--start", "2025-05-22", "--gpus", "0", "--top", "0")
    # eleven dates: in one process here, in two of the command's own where there are two cores
    assert kq(whole, *arguments).code == 0
    # the third file is written, and not yet renamed
    kill = (
        "import os, kronos_quant.signals.store as store\n"
        "write, done = store.pq.write_table, []\n"
        "def killed(*given, **named):\n"
        "    done.append(write(*given, **named))\n"
        "    if len(done) == 3: os.kill(os.getpid(), 9)\n"
        "store.pq.write_table = killed\n"
    )
    assert kq_process(root, *arguments, before=kill).code == -9
    assert len(list(root.glob("signals/store/*/.partial-*"))) == 1
    assert kq(root, *arguments).code == 0

    def parts(folder):
        store = folder / "signals" / "store"
        return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*.*"))}

    assert parts(root) == parts(whole)
