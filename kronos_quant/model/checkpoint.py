"""The pair that a forecast needs: a tokenizer and the predictor of its tokens, checked to fit each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from kronos_quant.errors import CheckpointError
from kronos_quant.inputs import PathLike
from kronos_quant.model.card import ModelCard, read_card
from kronos_quant.model.files import (
    PREDICTOR_FOLDER,
    TOKENIZER_FOLDER,
    check_recorded,
    file_digests,
    is_pair,
    load_network,
    locate,
)
from kronos_quant.model.kronos import PRESETS, Kronos, KronosTokenizer, PredictorConfig, TokenizerConfig
from kronos_quant.schema import FEATURES

DEFAULT_CONTEXT = 512

PUBLISHED_TOKENIZERS = {
    "mini": "NeoQuasar/Kronos-Tokenizer-2k",
    "small": "NeoQuasar/Kronos-Tokenizer-base",
    "base": "NeoQuasar/Kronos-Tokenizer-base",
}
"""The tokenizer whose tokens each published predictor was trained on."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A tokenizer and the predictor that was trained on its tokens."""

    tokenizer: KronosTokenizer
    predictor: Kronos
    max_context: int
    digest: str
    """sha256 of both models' config.json and model.safetensors, hex."""
    card: ModelCard = field(default_factory=ModelCard)
    """How it was trained, as far as that is known."""


def load_pair(
    name: PathLike, tokenizer: PathLike | None = None, *, models_dir: Path | None = None, revision: str | None = None
) -> Pair:
    """Load a predictor with its tokenizer, checked to fit each other.

    Parameters
    ----------
    name : a pair folder, or the folder or Hub id of a predictor.
    tokenizer : folder or Hub id; None takes the one next to the predictor in a pair folder, or the published partner
        of a published predictor.
    models_dir : where named models lie.
    revision : of `name` on the Hub; None: the pinned one where it is known.

    Raises
    ------
    CheckpointError
        When something is missing, damaged or does not fit.
    """
    folder = locate(name, models_dir, revision).folder
    paired = is_pair(folder)
    predictor_folder = locate(folder / PREDICTOR_FOLDER, None).folder if paired else folder
    predictor = load_network(predictor_folder, Kronos)
    partner = tokenizer_of(folder, predictor.config, tokenizer)
    tokenizer_folder = locate(partner, models_dir).folder
    loaded = load_network(tokenizer_folder, KronosTokenizer)
    published = _published_name(predictor.config)
    if published is not None:
        _check_published(published, str(name), str(partner), loaded.config)
    check_fit(loaded.config, predictor.config)
    digests = file_digests({TOKENIZER_FOLDER: tokenizer_folder, PREDICTOR_FOLDER: predictor_folder})
    if paired:
        check_recorded(folder, digests if tokenizer is None else file_digests({PREDICTOR_FOLDER: predictor_folder}))
    card = read_card(folder)
    context = card.max_context if paired else None
    return Pair(loaded, predictor, context or native_context(predictor.config), _joint_digest(digests), card)


def tokenizer_of(folder: Path, config: PredictorConfig, tokenizer: PathLike | None = None) -> PathLike:
    """Where the tokenizer of a predictor is: as given, next to it in a pair folder, or its published partner's id.

    Raises CheckpointError when none of these is known.
    """
    if tokenizer is not None:
        return tokenizer
    if is_pair(folder):
        return folder / TOKENIZER_FOLDER
    published = _published_name(config)
    if published is None:
        raise CheckpointError(f"{folder}: no tokenizer next to the predictor", hint="name its tokenizer's folder")
    return PUBLISHED_TOKENIZERS[published]


def check_fit(tokenizer: TokenizerConfig, predictor: PredictorConfig) -> None:
    """Raise CheckpointError unless both split a token into the same bits, and the tokenizer is one of bars."""
    expected, found = (predictor.s1_bits, predictor.s2_bits), (tokenizer.s1_bits, tokenizer.s2_bits)
    if expected != found:
        raise CheckpointError(
            f"the tokenizer does not fit the predictor: expected s1_bits + s2_bits = {expected[0]} + {expected[1]}, "
            f"found {found[0]} + {found[1]}",
            hint="use the tokenizer that the predictor was trained with",
        )
    if tokenizer.d_in != len(FEATURES):
        raise CheckpointError(
            f"the tokenizer does not fit bars: expected d_in = {len(FEATURES)} ({', '.join(FEATURES)}), "
            f"found {tokenizer.d_in}"
        )


def native_context(config: PredictorConfig) -> int:
    """The longest window, in bars, that a predictor of this shape is meant for: 2048 for mini, else 512."""
    name = shape_name(config)
    return DEFAULT_CONTEXT if name is None else PRESETS[name].max_context


def weights_digest(folder: Path) -> str:
    """Hex sha256 over config.json and model.safetensors: of both models of a pair folder, or of the one there is."""
    parts = (TOKENIZER_FOLDER, PREDICTOR_FOLDER) if is_pair(folder) else ("",)
    return _joint_digest(file_digests({part: folder / part for part in parts}))


def shape_name(config: PredictorConfig) -> str | None:
    """The preset whose sizes these are, None for any others."""
    sizes = ("s1_bits", "s2_bits", "n_layers", "d_model", "n_heads", "ff_dim")
    for name, preset in PRESETS.items():
        if all(getattr(config, size) == getattr(preset.predictor, size) for size in sizes):
            return name
    return None


def _published_name(config: PredictorConfig) -> str | None:
    """The published predictor that these weights are or may be: its sizes, and not trained here."""
    name = shape_name(config)
    return name if name in PUBLISHED_TOKENIZERS and config.dependency_rotation == "published" else None


def _check_published(published: str, predictor: str, tokenizer: str, config: TokenizerConfig) -> None:
    expected = PRESETS[published].tokenizer
    # 2k and base differ in nothing but the group size
    if config.group_size != expected.group_size:
        raise CheckpointError(
            f"{predictor} (Kronos-{published}): expected {PUBLISHED_TOKENIZERS[published]} (group_size "
            f"{expected.group_size}), found {tokenizer} (group_size {config.group_size})",
            hint=f"use {PUBLISHED_TOKENIZERS[published]}",
        )


def _joint_digest(digests: dict[str, str]) -> str:
    whole = hashlib.sha256()
    for file, digest in digests.items():
        whole.update(f"{file} {digest}\n".encode())
    return whole.hexdigest()
