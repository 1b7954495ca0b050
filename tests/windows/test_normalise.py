import numpy as np
import pytest
from reference_windows import lookback_scale, normalise

from kronos_quant.windows import STD_FLOOR, denormalise


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return (50 + rng.standard_normal((4, 12, 6))).astype(np.float32)


def test_a_window_by_hand():
    column = np.array([1.0, 3.0, 5.0, 11.0], dtype=np.float32)
    window = np.repeat(column[None, :, None], 6, axis=2)
    scale = lookback_scale(window, lookback=3)
    # mean 3, population standard deviation sqrt(8 / 3) of the first three bars
    std = np.sqrt(8 / 3)
    assert scale.mean[0, 0, 0] == 3
    assert scale.std[0, 0, 0] == pytest.approx(std)
    expected = (column - 3) / (std + 1e-5)
    np.testing.assert_allclose(normalise(window, scale, clip=5.0)[0, :, 0], expected, rtol=1e-6)


def test_the_future_moves_no_number_of_the_lookback(values):
    changed = values.copy()
    changed[:, 9:] *= 100
    before = normalise(values, lookback_scale(values, 9), 5.0)[:, :9]
    after = normalise(changed, lookback_scale(changed, 9), 5.0)[:, :9]
    assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("price", [9.99, 1234.56, 88888.8, 1e-6])
def test_a_constant_column_becomes_exactly_zero(price):
    window = np.full((1, 90, 6), price, dtype=np.float32)
    normal = normalise(window, lookback_scale(window, 90), 5.0)
    assert (normal == 0).all()


def test_values_are_clipped(values):
    values[:, -1] = 1e6
    assert normalise(values, lookback_scale(values, 11), 5.0).max() == 5.0


def test_denormalise_undoes_normalise_for_windows_and_for_paths(values):
    scale = lookback_scale(values, 12)
    normal = normalise(values, scale, 50.0)
    np.testing.assert_allclose(denormalise(normal, scale), values, rtol=1e-5)
    paths = np.stack([normal, normal], axis=1)
    np.testing.assert_allclose(denormalise(paths, scale)[:, 1], values, rtol=1e-5)


def test_the_floor_is_the_published_one():
    assert STD_FLOOR == 1e-5
