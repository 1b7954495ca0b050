"""What a source of signals knows of the data behind it, and which dates it has."""

from datetime import date

import pytest

from kronos_quant.model import ModelCard
from kronos_quant.signals import BlendSource, ComputedSource, ImportedSource, Weights

TARGETS = {
    "train": ["2020-01-01T00:00", "2023-06-30T00:00"],
    "val": ["2023-07-03T00:00", "2023-09-29T00:00"],
    "test": ["2023-10-09T00:00", "2023-12-29T00:00"],
}
LATER = {part: [day.replace("2023", "2024") for day in span] for part, span in TARGETS.items()}


def of_model(**card):
    """Signals of a model with this card."""
    return ComputedSource(None, None, None, Weights("it", None, "abc", ModelCard.model_validate(card)))


def blend_of(*members):
    return BlendSource(None, None, None, members=members)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({"base": "scratch (nano)", "targets": TARGETS}, {"training data": date(2023, 9, 29)}),
        ({"base": "NeoQuasar/Kronos-small", "targets": TARGETS},
         {"training data": date(2023, 9, 29), "pre-training data": None}),
        ({"base": "mine", "targets": TARGETS, "pretraining_cutoff": "2024-06-30"},
         {"training data": date(2023, 9, 29), "pre-training data": date(2024, 6, 30)}),
        ({}, {"training data": None, "pre-training data": None}),
    ],
)  # fmt: skip
def test_a_card_says_until_when_its_model_has_seen_data(card, expected):
    assert of_model(**card).data_ends() == expected


def test_a_blend_has_seen_what_any_of_its_members_has():
    members = [of_model(base="scratch (nano)", targets=targets) for targets in (LATER, TARGETS)]
    assert blend_of(*members).data_ends() == {"training data": date(2024, 9, 29)}
    assert blend_of(*members).test_start == date(2024, 10, 9)
    unknown = blend_of(*members, of_model(base="scratch"))
    assert (unknown.data_ends(), unknown.test_start) == ({"training data": None}, None)


def test_of_an_import_nothing_is_known():
    source = ImportedSource(None, None, None)
    assert source.data_ends() == {"data behind the imported signals": None}
    assert (source.test_start, source.contamination([date(2024, 1, 2)])) == (
        None,
        ["The scores are external: whether their model has seen these dates is unknown."],
    )


def test_sessions_before_the_test_data_are_contaminated():
    source = of_model(targets=TARGETS)
    assert source.contamination([date(2023, 10, 9)]) == []
    assert source.contamination([date(2023, 9, 29), date(2023, 10, 9)]) == [
        "CONTAMINATED: 1 of 2 sessions lie before 2023-10-09: the model was trained or validated on them."
    ]
    [unknown] = of_model().contamination([date(2023, 9, 29)])
    assert unknown.startswith("The end date of the training data is unknown")
