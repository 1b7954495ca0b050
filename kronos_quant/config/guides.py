"""The sections of the published CSV fine-tuning guide, put where kq.yaml has them.

    data, training                      -> train
    model_paths.pretrained_predictor    -> model.base           model_paths.pretrained_tokenizer -> model.tokenizer
    distributed.backend                 -> train.backend        experiment.use_comet: true       -> train.trackers
    experiment.train_tokenizer: false   -> train.tokenizer_epochs: 0        (train_basemodel: predictor_epochs)
    experiment.pre_trained: false       -> model.base: scratch

The rest of those sections names folders, devices and titles, which have their own places here; it is named once in the
log and not used. The field names inside `train` that the guides spell otherwise are aliases in `sections.TrainConfig`.
"""

from __future__ import annotations

import logging
from typing import Any

from kronos_quant.config.section import Location
from kronos_quant.errors import ConfigError

logger = logging.getLogger(__name__)

Lines = dict[Location, int]

WHOLE = {"data": "train", "training": "train"}
FIELDS = {
    ("model_paths", "pretrained_predictor"): ("model", "base"),
    ("model_paths", "pretrained_tokenizer"): ("model", "tokenizer"),
    ("distributed", "backend"): ("train", "backend"),
}
SWITCHES: dict[tuple[str, str, bool], tuple[str, str, Any]] = {
    ("experiment", "use_comet", True): ("train", "trackers", ["comet"]),
    ("experiment", "train_tokenizer", False): ("train", "tokenizer_epochs", 0),
    ("experiment", "train_basemodel", False): ("train", "predictor_epochs", 0),
    ("experiment", "pre_trained", False): ("model", "base", "scratch"),
}
SECTIONS = ("data", "training", "model_paths", "experiment", "distributed", "device")


def move_guide_sections(data: dict[str, Any], lines: Lines, name: str) -> tuple[dict[str, Any], Lines]:
    """`data` with the guides' sections moved, and the line of each key at its new place.

    name : the file's, for messages. Raises ConfigError for a field that is given in two sections.
    """
    guides = {section: data[section] for section in SECTIONS if isinstance(data.get(section), dict)}
    if not guides:
        return data, lines
    moved = {
        section: dict(fields) if isinstance(fields, dict) else fields
        for section, fields in data.items()
        if section not in guides
    }
    places, unused = dict(lines), []
    for section, fields in guides.items():
        for field, value in fields.items():
            found = _place(section, field, value)
            if found is None:
                unused.append(f"{section}.{field}")
                continue
            to, renamed, given = found
            target = moved.setdefault(to, {})
            if renamed in target and (section, field) not in _overruling():
                raise ConfigError(f"{name}:{lines[section, field]}: {section}.{field}: given in {to} too")
            target[renamed] = given
            places[to, renamed] = lines[section, field]
    if unused:
        logger.warning("%s: not used: %s (kq.yaml and kq train --help say what is)", name, ", ".join(unused))
    return moved, places


def _place(section: str, field: str, value: Any) -> tuple[str, str, Any] | None:
    """(section, field, value) of a guide's setting here, or None where there is none."""
    if section in WHOLE:
        return WHOLE[section], field, value
    if (section, field) in FIELDS:
        return (*FIELDS[section, field], value)
    return SWITCHES.get((section, field, value)) if isinstance(value, bool) else None


def _overruling() -> set[tuple[str, str]]:
    """Switches that win over a number given elsewhere: a phase that is left out has its epochs all the same."""
    return {(section, field) for section, field, _ in SWITCHES}
