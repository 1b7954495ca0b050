"""Each command does its work, prints it to stdout, and speaks JSON where a script would read."""

import json
import re

import pytest

from kronos_quant.runs import finished_runs


def as_json(done):
    assert done.code == 0, done.err
    return json.loads(done.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_workspace_is_made_and_made_again_without_a_change(kq, tmp_path):
    folder = tmp_path / "my-research"
    done = kq(tmp_path, "init", "my-research")
    assert done.code == 0
    assert done.out.splitlines()[0] == f"workspace {folder}: 11 files written"
    (folder / "kq.yaml").write_text("market: {universe: mine}\n")
    assert "0 files written" in kq(tmp_path, "init", "my-research").out
    assert (folder / "kq.yaml").read_text() == "market: {universe: mine}\n"
    assert sorted(path.name for path in folder.iterdir()) == [
        ".gitignore",
        ".kq",
        "db",
        "kq.yaml",
        "signals",
        "strategies",
    ]


def test_the_configuration_is_shown_with_its_origins(kq, market_workspace, monkeypatch):
    monkeypatch.setenv("KQ_TRAIN__SEED", "9")
    rows = {row["field"]: row for row in as_json(kq(market_workspace.root, "config", "show", "--json"))}
    assert rows["train.seed"] == {
        "field": "train.seed",
        "value": 9,
        "from": "KQ_TRAIN__SEED",
        "default": 0,
        "meaning": "seed of initial weights, window order, dropout and augmentation",
        "permitted": "integer from 0 to 9,223,372,036,854,775,807",
    }
    assert rows["model.preset"]["from"] == "kq.yaml:2"
    assert rows["train.clip"]["from"] == "default"
    table = kq(market_workspace.root, "config", "show").out
    assert table.splitlines()[0].split() == ["setting", "value", "from"]
    assert re.search(r"^train\.seed +9 +KQ_TRAIN__SEED \(default 0\)$", table, re.MULTILINE)


def test_a_made_market_is_ingested_and_again_nothing_is_new(kq, tmp_path):
    kq(tmp_path, "init")
    options = ("ingest", "synthetic", "--symbols", "6", "--sessions", "70", "--strength", "0")
    first = as_json(kq(tmp_path, *options, "--json"))
    again = as_json(kq(tmp_path, *options, "--json"))
    assert (first["symbols"], first["sessions"]) == (7, 70)
    assert first["added"] == again["unchanged"] == first["bars"]
    assert again["snapshot"] == first["snapshot"]
    assert "7 symbols, 70 sessions (day)" in kq(tmp_path, *options).out


def test_a_csv_file_is_ingested_under_the_symbol_given(kq, tmp_path):
    kq(tmp_path, "init")
    (tmp_path / "bars.csv").write_text("timestamps,open,high,low,close,volume\n2025/6/5 9:35,10,11,9,10,100\n")
    report = as_json(kq(tmp_path, "ingest", "csv", "bars.csv", "--symbol", "AAA", "--exchange", "XNYS", "--json"))
    assert (report["symbols"], report["exchange"], report["bars"]) == (1, "XNYS", 1)


def test_a_training_prints_its_losses_and_where_the_model_is(kq, market_workspace):
    metrics = as_json(kq(market_workspace.root, "train", "--gpus", "0", "--json"))
    [run] = finished_runs(market_workspace.runs, "train")
    assert metrics["folder"] == str(run.path)
    assert set(metrics["validation_loss"]) == {"tokenizer", "predictor"}


def test_signals_are_printed_best_first_and_as_json(kq, trained_workspace):
    told = as_json(kq(trained_workspace.root, "signal", "--date", "2025-06-05", "--top", "3", "--json"))
    assert (told["computed"], told["present"], len(told["best"])) == (1, 0, 3)
    done = kq(trained_workspace.root, "signal", "--top", "3")
    table = done.out.splitlines()
    assert table[0].split()[:3] == ["date", "symbol", "close"]
    assert [row.split()[1] for row in table[1:4]] == [row["symbol"] for row in told["best"]]
    assert "0 computed, 1 already stored" in done.out
    assert done.err == ""


def test_one_path_has_no_error_and_json_says_null(kq, trained_workspace):
    (trained_workspace.root / "signals" / "one.yaml").write_text("samples: 1\nhorizon: 1\n")
    told = as_json(kq(trained_workspace.root, "signal", "--recipe", "one", "--json"))
    assert told["best"][0]["std_error"] is None


def test_a_forecast_is_printed_as_a_table_and_as_json(kq, trained_workspace):
    told = as_json(kq(trained_workspace.root, "forecast", "made0001", "--horizon", "2", "--json"))
    assert [bar["time"][:10] for bar in told["bars"]] == ["2025-06-06", "2025-06-09"]
    lines = kq(trained_workspace.root, "forecast", "made0001", "--horizon", "2").out.splitlines()
    assert lines[0].split()[:2] == ["time", "q05"]
    assert [line.split(": ")[0] for line in lines[-2:]] == ["picture", "page"]


def test_a_backtest_prints_its_report_and_where_the_page_is(kq, trained_workspace):
    done = kq(trained_workspace.root, "backtest", "strategies/topk.yaml")
    [run] = finished_runs(trained_workspace.runs, "backtest")
    assert done.code == 0
    assert done.out.endswith(f"tearsheet: {run.path / 'tearsheet.html'}\n")
    head, _, _ = done.out.rpartition("\ntearsheet: ")
    assert (run.path / "report.txt").read_text().startswith(head)
    assert "Significance" in head
    assert "costs per year / account" in head
    assert "\x1b[" not in done.out + done.err
    metrics = as_json(kq(trained_workspace.root, "backtest", "topk", "--no-compute", "--json"))
    saved = json.loads((run.path / "metrics.json").read_text())
    assert {name: value for name, value in metrics.items() if name != "folder"} == saved


def test_the_doctor_prints_a_finding_a_line_and_what_mends_it(kq, market_workspace):
    findings = {finding["about"]: finding for finding in as_json(kq(market_workspace.root, "doctor", "--json"))}
    assert findings["trained model"] == {
        "about": "trained model",
        "state": "missing",
        "detail": "none",
        "fix": "kq train",
    }
    out = kq(market_workspace.root, "doctor").out
    assert re.search(r"^missing +trained model +none\n +fix: kq train$", out, re.MULTILINE)


def test_the_demo_is_given_its_folder_and_strength(kq, tmp_path, monkeypatch):
    asked = []

    class Summary:
        def lines(self):
            return ["FOUND"]

    monkeypatch.setattr("kronos_quant.workflows.demo.run_demo", lambda *given: asked.append(given) or Summary())
    assert kq(tmp_path, "demo", "--strength", "0").out == "FOUND\n"
    assert [(str(folder), strength) for folder, strength in asked] == [("kq-demo", 0.0)]


@pytest.mark.slow
def test_progress_and_logs_go_to_stderr_and_draw_no_bar_outside_a_terminal(kq_process, trained_workspace):
    done = kq_process(trained_workspace.root, "signal", "--json")
    assert as_json(done)["computed"] == 1
    told = done.err.splitlines()
    assert told[0].startswith("1 of 1 sessions (2025-06-05 to 2025-06-05) have no signals yet: computing ")
    assert all(re.match(r"^(\d+ of |computed \d+ sessions in )", line) for line in told)


def test_an_audit_ends_with_3_where_an_installed_package_is_affected_and_says_when_nothing_was_audited(kq, tmp_path):
    affected = {"package": {"ecosystem": "PyPI", "name": "numpy"}, "ranges": [{"events": [{"introduced": "0"}]}]}
    (tmp_path / "osv.json").write_text(
        json.dumps({"id": "PYSEC-1", "modified": "2026-01-02T03:04:05Z", "affected": [affected]})
    )
    done = kq(tmp_path, "audit", "--advisories", "osv.json")
    assert done.code == 3
    assert "the newest of 2026-01-02" in done.out
    assert done.err.startswith("error: advisories name installed packages: numpy ")
    unaudited = kq(tmp_path, "audit")
    assert (unaudited.code, unaudited.out.partition(":")[0]) == (0, "not audited")
