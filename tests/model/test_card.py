"""What a card is read as, what is refused, and that it is written with the keys it always had."""

import json
import re
from datetime import date

import pytest

from kronos_quant import CheckpointError
from kronos_quant.model import ModelCard, read_card
from kronos_quant.model.card import write_card

TARGETS = {
    "train": ["2020-01-01T00:00", "2023-06-30T00:00"],
    "val": ["2023-07-03T00:00", "2023-09-29T00:00"],
    "test": ["2023-10-09T00:00", "2024-03-29T00:00"],
}
FIGURES = {"mae": 0.01, "rank_ic": None}
OLD = {
    "created": "2025-01-01T00:00:00+00:00",
    "base": "scratch (nano)",
    "pretraining_cutoff": None,
    "lookback_window": 60,
    "clip": 5.0,
    "targets": TARGETS,
    "validation_loss": {"predictor": {"before": 5.5, "best": 5.0, "epoch": 2}},
    "decoded": {
        "windows": 40, "times": 4, "horizon": 10, "samples": 5, "chosen_by": "mae", "trained": FIGURES,
        "control": {"name": "untrained network"} | FIGURES, "last_close": FIGURES, "verdict": ["better"],
    },
    "strange": {"of": "another version"},
    "sha256": {"predictor/config.json": "ab"},
}  # fmt: skip


def test_a_card_of_before_is_read_under_its_old_names_and_written_under_the_new_ones(tmp_path):
    (tmp_path / "card.json").write_text(json.dumps(OLD))
    card = read_card(tmp_path)
    assert card.validation_loss["predictor"].start == 5.5
    assert card.decoded.start["name"] == "untrained network"
    write_card(tmp_path, card)
    written = json.loads((tmp_path / "card.json").read_text())
    renamed = json.loads(json.dumps(OLD).replace('"before"', '"start"').replace('"control"', '"start"'))
    assert written == renamed
    assert [key for key in written if key != "strange"] == [key for key in OLD if key != "strange"]
    assert read_card(tmp_path) == card


def test_a_card_tells_which_dates_its_networks_have_seen(tmp_path):
    card = ModelCard.model_validate(OLD)
    assert (card.from_scratch, card.trained_until, card.unseen_from) == (True, date(2023, 9, 29), date(2023, 10, 9))
    assert card.last_seen == date(2023, 9, 29)
    blank = read_card(tmp_path)
    assert (blank, blank.clip, blank.trained_until, blank.unseen_from) == (ModelCard(), 5.0, None, None)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"pretraining_cutoff": "last summer"}, "card.json: expected a date, found 'last summer'"),
        ({"lookback_window": 0}, "card.json: lookback_window: expected a number of bars, found 0"),
        ({"predict_window": "10"}, "card.json: predict_window: expected a number of bars, found '10'"),
        ({"clip": True}, "card.json: clip: expected a number above 0, found True"),
        ({"max_context": True}, "card.json: max_context: expected a positive int, found True"),
        ({"targets": {"val": []}}, "card.json: targets: expected train and val with two dates each, found"),
        ({"sha256": [1]}, "card.json: sha256: expected an object of files, found"),
    ],
)
def test_a_faulty_card_is_a_checkpoint_error(tmp_path, card, message):
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=re.escape(message)):
        read_card(tmp_path)
