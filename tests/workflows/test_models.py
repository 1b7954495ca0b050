"""The models of a workspace: listed, shown, and added whole or not at all."""

import json
import shutil

import pytest
from broken_models import edit_json, edit_weights, refusal

from kronos_quant.errors import CheckpointError, ConfigError
from kronos_quant.files import file_digest
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, adding, load_pair
from kronos_quant.model.adding import PresentModel, add_model
from kronos_quant.model.checkpoint import weights_digest
from kronos_quant.model.hub import Fetched
from kronos_quant.model.library import BEST, ModelLibrary
from kronos_quant.runs import finished_runs
from kronos_quant.signals import find_weights


@pytest.fixture
def best(trained_workspace):
    """The pair that the workspace's one training run left."""
    [run] = finished_runs(trained_workspace.runs, "train")
    return run.path / BEST


def add(workspace, source, tokenizer=None, name=None, revision=None):
    return add_model(
        ModelLibrary(workspace), str(source), None if tokenizer is None else str(tokenizer), name, revision
    )


def test_a_workspace_without_models_lists_none(market_workspace):
    assert ModelLibrary(market_workspace).entries() == []
    with pytest.raises(CheckpointError, match="no trained model yet"):
        ModelLibrary(market_workspace).report("latest")


def test_a_training_run_is_listed_with_what_it_is(trained_workspace, best):
    [entry] = ModelLibrary(trained_workspace).entries()
    assert (entry.kind, entry.shape, entry.dependency_rotation) == ("pair", "nano", "consistent")
    assert entry.latest
    assert entry.parameters == sum(p.numel() for p in Kronos(PRESETS["nano"].predictor).parameters())
    assert entry.digest == weights_digest(best)
    assert entry.origin == "trained here from scratch (nano)"
    assert entry.row()["name"].endswith(" (latest)")


def test_a_pair_is_added_with_its_card_and_where_it_came_from(trained_workspace, best):
    entry = add(trained_workspace, best, name="mine")
    folder = trained_workspace.models / "mine"
    assert entry.folder == folder
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "origin.json", "predictor", "tokenizer"]
    assert weights_digest(folder) == entry.digest == weights_digest(best)
    origin = json.loads((folder / "origin.json").read_text())
    assert origin["from"] == str(best)
    assert origin["sha256"]["predictor/model.safetensors"] == file_digest(best / "predictor" / "model.safetensors")
    assert find_weights(trained_workspace, "mine").card == find_weights(trained_workspace, "latest").card
    assert [entry.name for entry in ModelLibrary(trained_workspace).entries()] == [
        "mine",
        finished_runs(trained_workspace.runs, "train")[0].id,
    ]


def test_an_added_model_that_is_changed_afterwards_is_refused(trained_workspace, best):
    folder = add(trained_workspace, best, name="mine").folder
    edit_weights(folder / "predictor", lambda t: t["norm.weight"].mul_(1.01))
    assert "that card.json states" in refusal(load_pair, folder)


def test_a_predictor_is_added_with_the_tokenizer_that_is_named(trained_workspace, best, tmp_path):
    shutil.copytree(best / "predictor", tmp_path / "alone")
    words = refusal(add, trained_workspace, tmp_path / "alone")
    assert words.endswith("no tokenizer next to the predictor")
    entry = add(trained_workspace, tmp_path / "alone", best / "tokenizer")
    assert (entry.name, entry.kind, entry.digest) == ("alone", "pair", weights_digest(best))


def test_a_tokenizer_is_added_alone(trained_workspace, best):
    entry = add(trained_workspace, best / "tokenizer")
    assert (entry.name, entry.kind, entry.shape) == ("tokenizer", "tokenizer", "8 + 8 bits, width 48")
    assert entry.parameters == sum(p.numel() for p in KronosTokenizer(PRESETS["nano"].tokenizer).parameters())
    report = ModelLibrary(trained_workspace).report("tokenizer")
    assert (report.max_context, list(report.config), report.card) == (None, ["tokenizer"], None)
    with pytest.raises(ConfigError, match="is a tokenizer itself"):
        add(trained_workspace, best / "tokenizer", best / "tokenizer", name="other")


def test_everything_of_a_model_is_shown(trained_workspace, best):
    report = ModelLibrary(trained_workspace).report("latest")
    assert report.entry.latest
    assert report.max_context == load_pair(best).max_context
    assert set(report.parameters) == set(report.config) == {"tokenizer", "predictor"}
    assert report.bytes["predictor/model.safetensors"] == (best / "predictor" / "model.safetensors").stat().st_size
    assert report.card.as_dict() == json.loads((best / "card.json").read_text())
    lines = report.lines()
    assert lines[0].endswith(": pair, nano; all weights present, of the right shape, and finite")
    assert '  "lookback_window": 16,' in lines or '    "lookback_window": 16,' in lines
    assert json.loads(json.dumps(report.as_dict(), default=str))["card"] == report.card.as_dict()


def test_a_predictor_alone_is_shown_with_its_own_context(trained_workspace, best):
    report = ModelLibrary(trained_workspace).report(str(best / "predictor"))
    assert (report.entry.kind, report.max_context, report.origin) == ("predictor", 512, None)


def test_a_model_that_is_not_here_is_not_fetched(trained_workspace):
    with pytest.raises(CheckpointError, match="no model named 'NeoQuasar/Kronos-small'") as caught:
        ModelLibrary(trained_workspace).report("NeoQuasar/Kronos-small")
    assert caught.value.hint == "kq model add NeoQuasar/Kronos-small"
    assert refusal(ModelLibrary(trained_workspace).report, "nothing") == "no model named 'nothing'"
    assert "no such folder, nor in" in refusal(add, trained_workspace, "nothing")


def test_a_folder_of_models_is_looked_into_and_a_broken_one_is_listed(trained_workspace, best):
    models = trained_workspace.models
    shutil.copytree(best, models / "NeoQuasar" / "one")
    shutil.copytree(best, models / "two")
    (models / ".partial-left").mkdir()
    (models / "two" / "predictor" / "config.json").write_text("{")
    (models / "empty").mkdir()
    by_name = {entry.name: entry for entry in ModelLibrary(trained_workspace).entries()}
    assert by_name["NeoQuasar/one"].kind == "pair"
    assert ModelLibrary(trained_workspace).report("NeoQuasar/one").entry.kind == "pair"
    assert by_name["two"].kind == by_name["empty"].kind == "broken"
    assert "not readable as JSON" in by_name["two"].origin
    assert len(by_name) == 4


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", "with space", ""])
def test_names_that_are_no_folder_names_are_refused(trained_workspace, best, name):
    with pytest.raises(ConfigError, match="--name: expected letters"):
        add(trained_workspace, f"{best}/" if name else "/", name=name or None)


def test_a_model_that_was_added_is_found_there_and_nothing_is_changed(trained_workspace, best):
    first = add(trained_workspace, best, name="mine")
    origin = (trained_workspace.models / "mine" / "origin.json").read_bytes()
    again = add(trained_workspace, best, name="mine")
    assert isinstance(again, PresentModel)
    assert again.as_dict() == first.as_dict()
    assert "already stored" in again.lines()[0]
    assert (trained_workspace.models / "mine" / "origin.json").read_bytes() == origin


def test_a_name_that_other_weights_have_is_refused(trained_workspace, best):
    add(trained_workspace, best, name="mine")
    add(trained_workspace, best / "tokenizer", name="half")
    (trained_workspace.models / "file").write_text("")
    for name in ("half", "file"):
        with pytest.raises(ConfigError, match=f"{name}: exists already, with other weights"):
            add(trained_workspace, best, name=name)
    with pytest.raises(ConfigError, match="mine: exists already, with other weights"):
        add(trained_workspace, "owner/not-here", name="mine")


def test_a_failure_while_copying_leaves_nothing(trained_workspace, best, monkeypatch):
    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.copyfile", fail)
    with pytest.raises(KeyboardInterrupt):
        add(trained_workspace, best, name="mine")
    assert list(trained_workspace.models.iterdir()) == []


def test_a_model_that_changes_while_it_is_copied_is_refused(trained_workspace, best, monkeypatch):
    copy = adding._copy

    def tamper(parts, target):
        copy(parts, target)
        edit_json(target / "predictor" / "config.json", ffn_dropout_p=0.5)

    monkeypatch.setattr(adding, "_copy", tamper)
    assert refusal(add, trained_workspace, best, name="mine").endswith("changed while it was copied")
    assert list(trained_workspace.models.iterdir()) == []


def test_a_hub_id_is_fetched_once_and_its_commit_is_kept(trained_workspace, best, monkeypatch):
    places = {"somebody/predictor": best / "predictor", "somebody/tokenizer": best / "tokenizer"}
    asked = []

    def fetch(name, looked_in, revision=None):
        asked.append((name, revision))
        return Fetched(places[name], f"commit of {name}")

    monkeypatch.setattr("kronos_quant.model.files.fetch", fetch)
    entry = add(trained_workspace, "somebody/predictor", "somebody/tokenizer", revision="v1")
    assert (entry.name, entry.kind) == ("predictor", "pair")
    assert ("somebody/predictor", "v1") in asked
    assert {name for name, _ in asked} == set(places)
    origin = json.loads((entry.folder / "origin.json").read_text())
    assert (origin["from"], origin["revision"]) == ("somebody/predictor", "commit of somebody/predictor")
    assert entry.origin == "somebody/predictor at commit of so"
