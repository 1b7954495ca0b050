"""The published network in small: random weights with inputs and the outputs that the published code gave for them."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from kronos_quant.model.kronos import Kronos, KronosTokenizer, PredictorConfig, TokenizerConfig

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def parity() -> Path:
    return DATA / "kronos_parity"


@pytest.fixture(scope="session")
def published_configs() -> Path:
    return DATA / "kronos_configs"


@pytest.fixture(scope="session")
def cases(parity: Path) -> dict[str, Tensor]:
    return load_file(parity / "cases.safetensors")


@pytest.fixture
def tokenizer(parity: Path) -> KronosTokenizer:
    return KronosTokenizer.from_pretrained(parity / "tokenizer")


@pytest.fixture
def predictor(parity: Path) -> Kronos:
    return Kronos.from_pretrained(parity / "predictor")


@pytest.fixture
def make_tokenizer():
    """A tiny tokenizer with random weights; keywords replace config fields."""

    def make(**changes) -> KronosTokenizer:
        sizes = {
            "d_in": 6, "d_model": 16, "n_heads": 2, "ff_dim": 24, "n_enc_layers": 2, "n_dec_layers": 2,
            "ffn_dropout_p": 0.0, "attn_dropout_p": 0.0, "resid_dropout_p": 0.0, "s1_bits": 4, "s2_bits": 3,
            "beta": 0.05, "gamma0": 1.0, "gamma": 1.1, "zeta": 0.05, "group_size": 4,
        }  # fmt: skip
        model = KronosTokenizer(TokenizerConfig(**(sizes | changes))).eval()
        model.init_weights(torch.Generator().manual_seed(11))
        return model

    return make


@pytest.fixture
def make_predictor():
    """A tiny predictor with random weights; keywords replace config fields."""

    def make(**changes) -> Kronos:
        sizes = {
            "s1_bits": 4, "s2_bits": 3, "n_layers": 2, "d_model": 16, "n_heads": 2, "ff_dim": 24,
            "ffn_dropout_p": 0.0, "attn_dropout_p": 0.0, "resid_dropout_p": 0.0, "token_dropout_p": 0.0,
            "learn_te": True, "dependency_rotation": "consistent",
        }  # fmt: skip
        model = Kronos(PredictorConfig(**(sizes | changes))).eval()
        model.init_weights(torch.Generator().manual_seed(12))
        return model

    return make


@pytest.fixture
def pair_folder(tmp_path, make_tokenizer, make_predictor):
    """A folder as training leaves it."""
    folder = tmp_path / "models" / "mine"
    make_tokenizer().save_pretrained(folder / "tokenizer")
    make_predictor().save_pretrained(folder / "predictor")
    (folder / "card.json").write_text(json.dumps({"max_context": 96, "lookback": 24}))
    return folder


@pytest.fixture
def folder(pair_folder):
    """Its predictor's."""
    return pair_folder / "predictor"


@pytest.fixture
def make_stamps():
    """Random stamps int64[B, T, 5] within their ranges."""

    def make(batch: int, bars: int, seed: int = 5) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        columns = [torch.randint(0, rows, (batch, bars), generator=generator) for rows in (60, 24, 7, 32, 13)]
        return torch.stack(columns, dim=-1)

    return make
