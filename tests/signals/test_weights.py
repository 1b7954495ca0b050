import json
import shutil

import pytest

from kronos_quant import CheckpointError
from kronos_quant.model import ModelCard
from kronos_quant.runs import finished_runs
from kronos_quant.signals import find_weights
from kronos_quant.training import BEST


def only_run(workspace):
    [run] = finished_runs(workspace.runs, "train")
    return run


def copy_run(source, name, status="finished", **card):
    """A copy of a run under another id."""
    target = source.path.with_name(name)
    shutil.copytree(source.path, target)
    (target / "manifest.json").write_text(json.dumps(source.manifest() | {"id": name, "status": status}))
    described = json.loads((target / BEST / "card.json").read_text()) | card
    (target / BEST / "card.json").write_text(json.dumps(described))


def test_latest_is_the_newest_finished_run(trained_workspace):
    first = only_run(trained_workspace)
    copy_run(first, "20990101-000000000-aaaa", seed=11)
    copy_run(first, "20990102-000000000-bbbb", status="running", seed=12)
    copy_run(first, "20990103-000000000-cccc", status="failed", seed=13)
    found = find_weights(trained_workspace, "latest")
    assert found.name == "20990101-000000000-aaaa"
    assert found.card.seed == 11
    assert found.card.seed != find_weights(trained_workspace, first.id).card.seed


def test_a_run_id_a_folder_and_a_name_in_models_give_the_same_weights(trained_workspace, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = only_run(trained_workspace)
    shutil.copytree(run.path / BEST, trained_workspace.models / "tiny")
    found = [find_weights(trained_workspace, name) for name in (run.id, str(run.path / BEST), "tiny", "latest")]
    assert len({weights.digest for weights in found}) == 1
    assert [weights.name for weights in found] == [run.id, str(run.path / BEST), "tiny", run.id]
    assert all(weights.card.lookback_window == 16 and weights.card.clip == 5 for weights in found)


def test_the_digest_follows_the_weights(trained_workspace):
    run = only_run(trained_workspace)
    before = find_weights(trained_workspace, run.id).digest
    config = run.path / BEST / "predictor" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"resid_dropout_p": 0.123}))
    card = run.path / BEST / "card.json"
    stated = json.loads(card.read_text())
    stated.pop("sha256", None)  # a record of the files as they were would refuse the change
    card.write_text(json.dumps(stated))
    assert find_weights(trained_workspace, run.id).digest != before


def test_without_a_trained_model_latest_says_what_to_do(market_workspace):
    with pytest.raises(CheckpointError, match="no trained model yet for `model: latest`") as caught:
        find_weights(market_workspace, "latest")
    assert caught.value.hint.startswith("Run kq train, or set `model:`")
    assert caught.value.exit_code == 4


def test_a_name_that_is_nowhere_is_a_checkpoint_error_that_names_it(trained_workspace):
    with pytest.raises(CheckpointError, match=r"nowhere: no such folder, nor in .*models"):
        find_weights(trained_workspace, "nowhere")


def test_weights_without_a_card_say_nothing_of_their_training(trained_workspace):
    run = only_run(trained_workspace)
    (run.path / BEST / "card.json").unlink()
    found = find_weights(trained_workspace, run.id)
    assert found.card == ModelCard()
    assert found.card.clip == 5


def test_a_damaged_card_is_a_checkpoint_error(trained_workspace):
    run = only_run(trained_workspace)
    card = run.path / BEST / "card.json"
    card.write_text(card.read_text()[:50])
    with pytest.raises(CheckpointError, match=r"card\.json: not readable as JSON"):
        find_weights(trained_workspace, run.id)
