"""The published regression, on the published weights: opt-in, for they are no part of this repository.

KQ_PUBLISHED_WEIGHTS names a folder that holds Kronos-small/ and Kronos-Tokenizer-base/ (config.json and
model.safetensors each, at the revisions that `model.hub` pins). The greedy bars and the errors are the figures that the
published implementation states for these weights.
"""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from reference_windows import lookback_scale, normalise

from kronos_quant.model import PathSampler, Sampling, load_pair
from kronos_quant.schema import FEATURES, PRICES
from kronos_quant.windows import denormalise, stamps

WEIGHTS = os.environ.get("KQ_PUBLISHED_WEIGHTS")
DATA = Path(__file__).parents[1] / "data" / "published_regression"

GREEDY_TOLERANCE = 1e-5
MSE_BARS, MSE_TOLERANCE = 30, 1e-6
MSE_STARTS = {512: (1402, 1717, 1772, 2155), 256: (366, 484, 493, 1835)}
"""The rows that the published test draws (4 of the file's, with its seed), each the first one to forecast."""
MSE_GOLDEN = {512: 0.008979, 256: 0.003741}

pytestmark = pytest.mark.skipif(
    WEIGHTS is None, reason="KQ_PUBLISHED_WEIGHTS names no folder with Kronos-small and Kronos-Tokenizer-base"
)


@pytest.fixture(scope="module")
def sampler():
    pair = load_pair("NeoQuasar/Kronos-small", models_dir=Path(WEIGHTS).expanduser())
    return PathSampler(pair.tokenizer, pair.predictor, device="cpu")


@pytest.fixture(scope="module")
def bars():
    return pl.read_csv(DATA / "input.csv.gz", try_parse_dates=True)


def greedy(sampler, bars, starts, lookback, count):
    """The likeliest `count` bars after the `lookback` rows before each start, unrepaired: float64[starts, count, 6]."""
    rows = np.array(starts)[:, None] + np.arange(-lookback, count)
    values = bars.select(FEATURES).to_numpy().astype(np.float32)[rows[:, :lookback]]
    stamp = stamps(bars["timestamps"].cast(pl.Datetime("us")))[rows]
    scale = lookback_scale(values, lookback)
    sampled = sampler.sample(
        normalise(values, scale, sampler.clip),
        stamp[:, :lookback],
        stamp[:, lookback:],
        1,
        Sampling(top_k=1, top_p=1.0),
    )
    return denormalise(sampled.paths, scale)[:, 0]


@pytest.mark.parametrize("lookback", [256, 512])
def test_greedy_bars_are_the_published_ones(sampler, bars, lookback):
    expected = np.array(json.loads((DATA / "greedy_bars.json").read_text(encoding="utf-8"))[str(lookback)])
    [found] = greedy(sampler, bars, [lookback], lookback, len(expected))
    np.testing.assert_allclose(found, expected, rtol=GREEDY_TOLERANCE)


@pytest.mark.parametrize("lookback", [256, 512])
def test_the_mean_squared_error_of_prices_is_the_published_one(sampler, bars, lookback):
    found = greedy(sampler, bars, MSE_STARTS[lookback], lookback, MSE_BARS)[..., : len(PRICES)]
    prices = bars.select(PRICES).to_numpy()
    actual = np.stack([prices[start : start + MSE_BARS] for start in MSE_STARTS[lookback]])
    assert np.mean((found - actual) ** 2) == pytest.approx(MSE_GOLDEN[lookback], abs=MSE_TOLERANCE)
