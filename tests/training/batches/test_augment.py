import numpy as np
import pytest

from kronos_quant.config import AugmentConfig
from kronos_quant.training.batches.augment import augment, interpolate, magnitude_factors, slice_places, warp_places

WINDOWS = np.arange(5, dtype=np.int64)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(5, 40, 6)).astype(np.float32)


def changed(values, epoch=1, windows=WINDOWS, seed=3, **settings):
    return augment(values, windows, AugmentConfig(**settings), seed, epoch, clip=5.0)


def test_nothing_is_on_by_default(values):
    assert not AugmentConfig().any
    assert np.array_equal(changed(values), values)


@pytest.mark.parametrize("setting", ["noise", "magnitude", "time_warp", "slice"])
def test_each_is_keyed_by_seed_epoch_and_window_alone(values, setting):
    first = changed(values, **{setting: 0.3})
    assert np.array_equal(first, changed(values, **{setting: 0.3}))
    assert not np.array_equal(first, changed(values, epoch=2, **{setting: 0.3}))
    assert not np.array_equal(first, changed(values, seed=4, **{setting: 0.3}))
    alone = changed(values[3:4], windows=WINDOWS[3:4], **{setting: 0.3})
    assert np.array_equal(first[3:4], alone)


def test_noise_has_the_standard_deviation_asked_for():
    flat = np.zeros((50, 200, 6), np.float32)
    noise = changed(flat, windows=np.arange(50), noise=0.2)
    assert noise.std() == pytest.approx(0.2, rel=0.02)
    assert noise.mean() == pytest.approx(0.0, abs=0.005)


def test_magnitude_scales_prices_by_one_factor_and_volumes_by_another(values):
    ratio = changed(values, magnitude=0.2) / values
    price, traded = ratio[..., :4], ratio[..., 4:]
    assert np.allclose(price, price[:, :1, :1], atol=1e-5)
    assert np.allclose(traded, traded[:, :1, :1], atol=1e-5)
    assert not np.allclose(price[:, 0, 0], traded[:, 0, 0])
    factors = np.array([magnitude_factors(0.2, np.random.default_rng(i)) for i in range(300)])
    assert factors.min() >= 0.8
    assert factors.max() <= 1.2
    assert factors.mean() == pytest.approx(1.0, abs=0.02)


def test_time_warping_keeps_the_ends_and_the_order_of_the_bars_within_the_speed_allowed():
    for i in range(50):
        places = warp_places(40, 0.5, np.random.default_rng(i))
        assert places[0] == 0
        assert places[-1] == pytest.approx(39)
        assert (np.diff(places) > 0).all()
        # each speed lies in 1 +- 0.5 before the whole is fitted to the window
        assert np.diff(places).max() / np.diff(places).min() <= 3 + 1e-9


def test_window_slicing_stretches_a_part_of_the_window_over_the_whole():
    cut = []
    for i in range(200):
        places = slice_places(41, 0.25, np.random.default_rng(i))
        assert np.allclose(np.diff(places), places[1] - places[0])
        assert places[0] >= 0
        assert places[-1] <= 40 + 1e-9
        cut.append(1 - (places[-1] - places[0]) / 40)
    assert 0 < min(cut) < 0.02
    assert 0.23 < max(cut) <= 0.25


def test_bars_between_two_are_read_linearly():
    bars = np.arange(4.0)[:, None] * np.ones(6) * 10
    assert interpolate(bars, np.array([0.0, 0.5, 2.25, 3.0]))[:, 0].tolist() == [0, 5, 22.5, 30]


def test_high_and_low_stay_around_open_and_close_along_time():
    rng = np.random.default_rng(1)
    body = rng.normal(size=(5, 40, 2))
    high, low = body.max(axis=2) + 0.1, body.min(axis=2) - 0.1
    bars = np.stack([body[..., 0], high, low, body[..., 1], high, low], axis=2).astype(np.float32)
    moved = changed(bars, time_warp=0.5, slice=0.3)
    assert (moved[..., 1] >= moved[..., [0, 3]].max(axis=2)).all()
    assert (moved[..., 2] <= moved[..., [0, 3]].min(axis=2)).all()


def test_values_stay_within_the_clip():
    assert np.abs(changed(np.full((5, 40, 6), 4.9, np.float32), noise=1.0)).max() <= 5.0
