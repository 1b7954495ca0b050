"""A folder of broken checkpoints through the real commands: one clear line, exit code 4, nothing left behind."""

import shutil

import pytest
from broken_models import BROKEN, edit_json

from kronos_quant.runs import finished_runs
from kronos_quant.training import BEST
from kronos_quant.workspace import open_workspace_folder

LONGEST_LINE = 1000


@pytest.fixture(scope="module")
def shared_workspace(trained_folder, tmp_path_factory):
    """One workspace for all of these tests, which leave it as it is, with a recipe for models/broken."""
    folder = tmp_path_factory.mktemp("broken") / "workspace"
    shutil.copytree(trained_folder, folder)
    (folder / "signals" / "broken.yaml").write_text("model: broken\nsamples: 2\nhorizon: 1\n")
    return open_workspace_folder(folder)


@pytest.fixture
def model(shared_workspace):
    """models/broken, a copy of the trained pair, still whole."""
    [run] = finished_runs(shared_workspace.runs, "train")
    folder = shared_workspace.models / "broken"
    shutil.copytree(run.path / BEST, folder)
    yield folder
    shutil.rmtree(shared_workspace.models)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_is_one_clear_line_and_exit_code_4(kq, shared_workspace, model, name):
    breaks, words = BROKEN[name]
    breaks(model)
    runs = sorted(shared_workspace.runs.rglob("*"))
    for arguments in (("model", "show", "broken"), ("forecast", "MADE0001", "--recipe", "broken")):
        code, error, _ = kq(shared_workspace.root, *arguments).refusal()
        assert code == 4
        assert words in error
        assert "\n" not in error
        assert len(error) < LONGEST_LINE
    assert sorted(shared_workspace.runs.rglob("*")) == runs


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_is_not_added_and_is_listed_or_whole(kq, shared_workspace, model, name):
    BROKEN[name][0](model)
    assert kq(shared_workspace.root, "model", "add", "broken", "--name", "copy").code == 4
    assert [path.name for path in shared_workspace.models.iterdir()] == ["broken"]
    done = kq(shared_workspace.root, "model", "list")
    assert done.code == 0
    assert done.out.splitlines()[1].startswith("broken")


def test_the_same_pair_unbroken_is_shown_and_forecasts(kq, shared_workspace, model):
    assert kq(shared_workspace.root, "model", "show", "broken").code == 0
    assert kq(shared_workspace.root, "forecast", "MADE0001", "--recipe", "broken").code == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clip": "5"}, "clip: expected a number above 0, found '5'"),
        ({"clip": float("nan")}, "clip: expected a number above 0, found nan"),
        ({"lookback_window": "90"}, "lookback_window: expected a number of bars, found '90'"),
        ({"predict_window": 10**12}, "predict_window: expected a number of bars, found 1000000000000"),
    ],
)
def test_a_card_with_strange_settings_is_refused(kq, shared_workspace, model, changes, words):
    edit_json(model / "card.json", **changes)
    code, error, _ = kq(shared_workspace.root, "forecast", "MADE0001", "--recipe", "broken").refusal()
    assert (code, error) == (4, f"{model / 'card.json'}: {words}")
