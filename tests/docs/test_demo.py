"""The recorded training of the demo is the one that this code makes.

`pytest tests/docs/test_demo.py --accept` trains and records again, after a change of the demo's settings or bars.
"""

import pytest
from doccheck.demo import TRAINED, fit_recorded, make_demo, record, recorded_folder
from doccheck.outputs import first_difference

from kronos_quant.training import fit, place
from kronos_quant.training.run import plan_training
from kronos_quant.workflows.demo import make_workspace


@pytest.mark.slow
def test_the_demo_says_the_same_with_the_recorded_training_as_with_a_new_one(tmp_path, request):
    training = record if request.config.getoption("--accept") else fit
    (tmp_path / "new").mkdir()
    (tmp_path / "recorded").mkdir()
    new = make_demo(tmp_path / "new", training=training)
    recorded = make_demo(tmp_path / "recorded", training=fit_recorded)
    # other processors round otherwise: ten epochs on, figures differ a little
    assert first_difference(recorded, new, rel=0.1, absolute=0.05) is None


def test_the_recorded_training_is_of_the_demos_settings_and_bars(tmp_path):
    workspace, _ = make_workspace(tmp_path / "demo", 0.2, 0)
    assert recorded_folder(plan_training(workspace, place(0)).job).is_dir(), "pytest tests/docs/test_demo.py --accept"
    assert len(list(TRAINED.iterdir())) == 1
