"""The settings of the published fine-tuning guides, put where kq.yaml has them.

The sections of the CSV guide:
    data, training                      -> train
    model_paths.pretrained_predictor    -> model.base           model_paths.pretrained_tokenizer -> model.tokenizer
    distributed.backend                 -> train.backend        experiment.use_comet: true       -> train.trackers
    experiment.train_tokenizer: false   -> train.tokenizer_epochs: 0        (train_basemodel: predictor_epochs)
    experiment.pre_trained: false       -> model.base: scratch

The names of the Qlib guide's config.py, at the top of the file or under `train`: most are aliases in `sections`;
`translate_train` turns the others into settings (use_amp -> precision) or checks them (feature_list).

The rest names folders, devices and titles, which have their own places here, or belongs to a recipe or a strategy:
the notes of the configuration say so, and `kq train` and `kq config show` print them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kronos_quant.config.section import Location
from kronos_quant.errors import ConfigError
from kronos_quant.inputs import short_repr

Lines = dict[Location, int]

WHOLE = {"data": "train", "training": "train"}
FIELDS = {
    ("model_paths", "pretrained_predictor"): ("model", "base"),
    ("model_paths", "pretrained_tokenizer"): ("model", "tokenizer"),
    ("distributed", "backend"): ("train", "backend"),
    ("", "instrument"): ("market", "universe"),
    **{
        (section, name): place
        for section in ("", "data", "training", "train")
        for name, place in {
            "qlib_data_path": ("market", "qlib_dir"),
            "pretrained_predictor_path": ("model", "base"),
            "pretrained_tokenizer_path": ("model", "tokenizer"),
        }.items()
    },
}
SWITCHES: dict[tuple[str, str, bool], tuple[str, str, Any]] = {
    ("experiment", "use_comet", True): ("train", "trackers", ["comet"]),
    ("experiment", "train_tokenizer", False): ("train", "tokenizer_epochs", 0),
    ("experiment", "train_basemodel", False): ("train", "predictor_epochs", 0),
    ("experiment", "pre_trained", False): ("model", "base", "scratch"),
}
SECTIONS = ("data", "training", "model_paths", "experiment", "distributed", "device")

GUIDE_ONLY = {
    "dataset_begin_time", "dataset_end_time", "feature_list", "time_feature_list", "epochs", "basemodel_epochs",
    "log_interval", "n_train_iter", "n_val_iter", "adam_beta1", "adam_beta2", "adam_weight_decay", "use_comet",
    "comet_config", "use_amp", "warmup_steps", "num_workers", "instrument",
}  # fmt: skip
"""Names of the guides that are not the first name of a setting here: a file that has one was written after a guide."""
FLAT = GUIDE_ONLY | {
    "lookback_window", "predict_window", "max_context", "clip", "train_time_range", "val_time_range", "test_time_range",
    "batch_size", "tokenizer_learning_rate", "predictor_learning_rate", "accumulation_steps", "seed",
}  # fmt: skip
"""Names that the Qlib guide has outside any section, and kq.yaml under train."""
ELSEWHERE = {
    "inference_T": "temperature in signals/default.yaml",
    "inference_top_p": "top_p in signals/default.yaml",
    "inference_top_k": "top_k in signals/default.yaml",
    "inference_sample_count": "samples in signals/default.yaml",
    "backtest_time_range": "start and end in strategies/topk.yaml",
    "backtest_benchmark": "benchmark in strategies/topk.yaml",
    "backtest_n_symbol_hold": "topk in strategies/topk.yaml",
    "backtest_n_symbol_drop": "n_drop in strategies/topk.yaml",
    "backtest_hold_thresh": "hold_thresh in strategies/topk.yaml",
    "n_symbol_hold": "topk in strategies/topk.yaml",
    "n_symbol_drop": "n_drop in strategies/topk.yaml",
    "hold_thresh": "hold_thresh in strategies/topk.yaml",
}
NOT_USED = {
    "dataset_path", "save_path", "backtest_result_path", "backtest_batch_size", "comet_tag", "comet_name",
    "tokenizer_save_folder_name", "predictor_save_folder_name", "backtest_save_folder_name",
    "finetuned_tokenizer_path", "finetuned_predictor_path",
}  # fmt: skip

BATCH_NOTE = "batch_size: windows per pass over all GPUs together; the guide's batch_size is per GPU"
TEMPERATURE_NOTE = (
    "temperature: recipes sample at 1.0 by default (signals/default.yaml); the guide samples at 0.6 (inference_T)"
)
FEATURES = ("open", "high", "low", "close", "volume", "amount")
FEATURE_ALIASES = {"vol": "volume", "amt": "amount"}
TIME_FEATURES = ("minute", "hour", "weekday", "day", "month")


@dataclass(frozen=True, slots=True)
class GuideSettings:
    """A file's plain data with every guide's setting at its place here, the line of each, and what a user must know."""

    data: dict[str, Any]
    lines: Lines
    notes: tuple[str, ...] = ()


def place_guide_settings(data: dict[str, Any], lines: Lines, name: str) -> GuideSettings:
    """Move the guides' sections and names to their places.

    Parameters
    ----------
    data, lines : the plain data of kq.yaml, and the line of each of its keys
    name : of the file, for messages

    Raises
    ------
    ConfigError
        For a field that is given in two sections.
    """
    guides = {section: fields for section, fields in data.items() if section in SECTIONS and isinstance(fields, dict)}
    flat = {field: value for field, value in data.items() if _is_flat(field)}
    own = {section: fields for section, fields in data.items() if section not in guides and section not in flat}
    moved = {
        section: {field: value for field, value in fields.items() if not _leaves(section, field)}
        if isinstance(fields, dict)
        else fields
        for section, fields in own.items()
    }
    leaving = {
        section: {field: value for field, value in fields.items() if _leaves(section, field)}
        for section, fields in own.items()
        if isinstance(fields, dict)
    }
    places, notes, unused = dict(lines), [], []
    for section, fields in (*guides.items(), ("", flat), *leaving.items()):
        for field, value in fields.items():
            path, line = (section, field) if section else (field,), lines[(section, field) if section else (field,)]
            if field in ELSEWHERE:
                notes.append(f"{field}: set {ELSEWHERE[field]} instead")
                continue
            place = _place(section, field, value)
            if place is None:
                unused.append(".".join(path))
                continue
            to, renamed, given = place
            target = moved.setdefault(to, {})
            # a switch wins over a number given elsewhere: a phase that is left out has its epochs all the same
            if renamed in target and (section, field) not in {switch[:2] for switch in SWITCHES}:
                raise ConfigError(f"{name}:{line}: {'.'.join(path)}: given in {to} too")
            target[renamed] = given
            places[to, renamed] = line
    if unused:
        notes.insert(0, f"not used: {', '.join(unused)}")
    train = moved.get("train")
    if guides or flat or (isinstance(train, dict) and GUIDE_ONLY & train.keys()):
        notes += [BATCH_NOTE] if isinstance(train, dict) and "batch_size" in train else []
        notes.append(TEMPERATURE_NOTE)
    return GuideSettings(moved, places, tuple(f"{name}: {note}" for note in notes))


def translate_train(values: Mapping[str, Any], betas: tuple[float, float]) -> dict[str, Any]:
    """The fields of `train` with the guides' own switches turned into settings; raises ValueError where they clash.

    betas : the defaults of the two
    """
    rest = dict(values)
    if {"adam_beta1", "adam_beta2"} & rest.keys():
        _refuse_both(rest, "betas", "adam_beta1 or adam_beta2")
        rest["betas"] = (rest.pop("adam_beta1", betas[0]), rest.pop("adam_beta2", betas[1]))
    if "use_amp" in rest:
        _refuse_both(rest, "precision", "use_amp")
        rest["precision"] = "auto" if _switch("use_amp", rest.pop("use_amp")) else "float32"
    if "use_comet" in rest and _switch("use_comet", rest.pop("use_comet")):
        trackers = rest.get("trackers", ())
        if isinstance(trackers, list | tuple):
            rest["trackers"] = tuple(dict.fromkeys((*trackers, "comet")))
    comet = rest.get("comet_config", rest.get("comet"))
    if isinstance(comet, Mapping) and "api_key" in comet:
        raise ValueError("comet_config.api_key: a key must not be stored in a file; set COMET_API_KEY instead")
    if "feature_list" in rest:
        given = rest.pop("feature_list")
        names = [FEATURE_ALIASES.get(name, name) for name in given] if isinstance(given, list | tuple) else given
        _check_list("feature_list", given, names, FEATURES)
    if "time_feature_list" in rest:
        given = rest.pop("time_feature_list")
        _check_list(
            "time_feature_list", given, list(given) if isinstance(given, list | tuple) else given, TIME_FEATURES
        )
    return rest


def _is_flat(field: str) -> bool:
    """Whether a name at the top of the file is one that the Qlib guide has there."""
    return field in FLAT or ("", field) in FIELDS or field in ELSEWHERE or field in NOT_USED


def _leaves(section: str, field: str) -> bool:
    """Whether a name under `train` belongs to another section, or to none."""
    return section == "train" and ((section, field) in FIELDS or field in ELSEWHERE or field in NOT_USED)


def _place(section: str, field: str, value: Any) -> tuple[str, str, Any] | None:
    """(section, field, value) of a guide's setting here, or None where there is none."""
    if field in NOT_USED:
        return None
    if (section, field) in FIELDS:
        return (*FIELDS[section, field], value)
    if section in WHOLE:
        return WHOLE[section], field, value
    if not section:
        return "train", field, value
    return SWITCHES.get((section, field, value)) if isinstance(value, bool) else None


def _refuse_both(values: Mapping[str, Any], name: str, other: str) -> None:
    if name in values:
        raise ValueError(f"{name}: given twice, also as {other}")


def _switch(name: str, value: Any) -> bool:
    """A bool, or its text from the environment."""
    text = str(value).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{name}: must be true or false, found {short_repr(value)}")
    return text == "true"


def _check_list(name: str, given: Any, names: Any, expected: tuple[str, ...]) -> None:
    """The guides list the network's inputs; here they are fixed, as the published weights need them."""
    if names != list(expected):
        raise ValueError(
            f"{name}: the network's inputs are fixed; expected [{', '.join(expected)}] in this order, found "
            f"{short_repr(given)}"
        )
