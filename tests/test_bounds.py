"""Every number that a user can give has bounds: the fields of YAML files, options of commands, arguments in Python."""

import importlib
import types
from typing import Annotated, Union, get_args, get_origin

import pytest
import typer
from annotated_types import Ge, Gt, Le, Lt
from commands import commands, parse
from made import ROOT

from kronos_quant import ConfigError
from kronos_quant.config import Section
from kronos_quant.inputs import as_count, as_number, as_seed


def sections(model=Section):
    for inner in model.__subclasses__():
        yield inner
        yield from sections(inner)


def numeric_parts(annotation, marks):
    """The numbers inside an annotation, each with what bounds it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        annotation, *more = get_args(annotation)
        yield from numeric_parts(annotation, [*marks, *more])
    elif annotation in (int, float):
        yield marks
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from numeric_parts(part, marks)
    elif origin in (tuple, dict, list):
        for part in get_args(annotation):
            yield from numeric_parts(part, [])


@pytest.fixture(scope="module")
def every_section():
    for file in (ROOT / "kronos_quant").rglob("*.py"):
        if "(Section)" in file.read_text(encoding="utf-8"):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    found = [one for one in sections() if one.__module__.startswith("kronos_quant.")]
    assert {"TrainConfig", "Recipe", "Strategy", "Risk", "SyntheticSpec"} <= {one.__name__ for one in found}
    return found


def test_every_number_of_a_yaml_file_has_a_lower_and_an_upper_bound(every_section):
    lacking = [
        f"{model.__name__}.{name}"
        for model in every_section
        for name, info in model.model_fields.items()
        for marks in numeric_parts(info.annotation, info.metadata)
        if not any(isinstance(one, Ge | Gt) for one in marks) or not any(isinstance(one, Le | Lt) for one in marks)
    ]
    assert lacking == []


def test_every_number_of_a_command_has_a_lower_and_an_upper_bound():
    options = [(name, one) for name, command in commands().items() for one in command.params]
    numbers = [(name, one) for name, one in options if one.type_descriptor.annotation in (int, float)]
    assert len(numbers) >= 10
    assert [f"{name} {one.opts[0]}" for name, one in numbers if None in (one.min, one.max)] == []


@pytest.mark.parametrize("number", ["10000000000000000000000000", "1" * 5000, "-1", "nan", "1e9"])
def test_a_number_of_a_command_beyond_its_bounds_is_refused_in_one_line(number):
    for name in ("kq forecast A --horizon", "kq signal --top", "kq snapshot prune --keep"):
        with pytest.raises(typer.TyperException) as caught:
            parse(f"{name} {number}")
        assert "\n" not in caught.value.format_message()
        assert len(caught.value.format_message()) < 200


HUGE, LONG = 10**25, 10**5000


@pytest.mark.parametrize(
    "given",
    [HUGE, LONG, 2**63, 1e300, float("inf"), float("nan"), "1" * 5000, [1], True],
    ids=lambda given: type(given),
)
def test_no_number_of_an_argument_is_without_bounds(given):
    for convert in (as_count, as_seed, lambda value, name: as_number(value, name, lambda one: one <= 1, "at most 1")):
        with pytest.raises(ConfigError, match=r"^given: expected ") as caught:
            convert(given, "given")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("TrainConfig", {"seed": 2**63}),
        ("TrainConfig", {"batch_size": HUGE}),
        ("TrainConfig", {"betas": [0.9, 1.0]}),
        ("TrainConfig", {"predictor_learning_rate": 1e300}),
        ("Recipe", {"samples": 10**11}),
        ("Recipe", {"horizon": 100_000_000}),
        ("Strategy", {"topk": HUGE}),
        ("Strategy", {"lot": HUGE}),
        ("Strategy", {"lots": {"A": HUGE}}),
        ("Strategy", {"account": 1e300}),
        ("Strategy", {"costs": {"minimum": 1e300}}),
        ("Strategy", {"qlib": {"impact_cost": HUGE}, "profile": "qlib"}),
        ("Strategy", {"topk": LONG}),
        ("SyntheticSpec", {"symbols": HUGE}),
    ],
    ids=lambda given: given if isinstance(given, str) else next(iter(given)),
)
def test_a_setting_beyond_its_bound_is_named_in_one_line(every_section, section, settings):
    [model] = [one for one in every_section if one.__name__ == section]
    with pytest.raises(ConfigError) as caught:
        model(**settings)
    assert "\n" not in str(caught.value)
    assert next(iter(settings)) in str(caught.value)
    assert len(str(caught.value)) < 250
