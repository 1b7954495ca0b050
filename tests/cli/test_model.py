"""kq model list, add and show, through the command."""

import json

from kronos_quant.runs import finished_runs
from kronos_quant.training import BEST


def test_models_are_listed_added_and_shown(kq, trained_workspace):
    root = trained_workspace.root
    [run] = finished_runs(trained_workspace.runs, "train")
    header, row = kq(root, "model", "list").out.splitlines()
    assert header.split() == ["name", "kind", "shape", "parameters", "rotation", "digest", "from"]
    assert row.startswith(f"{run.id} (latest)  pair  nano")
    added = kq(root, "model", "add", str(run.path / BEST), "--name", "mine")
    assert added.code == 0
    assert added.out.splitlines()[0].startswith("added mine: pair, nano, digest ")
    listed = json.loads(kq(root, "model", "list", "--json").out)
    assert [entry["name"] for entry in listed] == ["mine", run.id]
    shown = kq(root, "model", "show", "mine")
    assert shown.out.startswith("mine: pair, nano; all weights present")
    told = json.loads(kq(root, "model", "show", "--json").out)
    assert (told["name"], told["latest"], set(told["parameters"])) == (run.id, True, {"tokenizer", "predictor"})
    assert told["digest"] == listed[0]["digest"]


def test_a_recipe_may_name_an_added_model(kq, trained_workspace):
    root = trained_workspace.root
    kq(root, "model", "add", "latest", "--name", "mine", "--json")
    (root / "signals" / "mine.yaml").write_text("model: mine\nsamples: 2\nhorizon: 1\n")
    done = kq(root, "forecast", "MADE0001", "--recipe", "mine", "--json")
    assert json.loads(done.out)["model"].startswith("mine (")


def test_an_empty_workspace_says_how_to_get_a_model(kq, market_workspace):
    assert kq(market_workspace.root, "model", "list").out == "no models: kq train trains one, kq model add copies one\n"
    assert kq(market_workspace.root, "model", "show").refusal()[0] == 4


def test_a_hub_id_without_a_network_is_one_line(kq, market_workspace, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    code, error, _ = kq(market_workspace.root, "model", "add", "NeoQuasar/Kronos-mini").refusal()
    assert code == 4
    assert error.endswith("and HF_HUB_OFFLINE forbids using the Hub")
    assert not market_workspace.models.exists()
