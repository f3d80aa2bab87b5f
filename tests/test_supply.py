"""Difficulty of water: scarcity, distance and salt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.physics.supply import scarcity_factor, supply_difficulty

stress = st.floats(0, 1.5)
km = st.floats(0, 3000)


def test_middle_of_each_stress_class_gives_the_stated_factor():
    factors = scarcity_factor([0.05, 0.15, 0.30, 0.60, 0.90])
    assert factors.round(2).tolist() == [1.05, 1.18, 1.43, 2.5, 5.0]


def test_missing_stress_stays_missing():
    assert np.isnan(scarcity_factor([np.nan])).all()
    assert np.isnan(supply_difficulty([np.nan], [1.0], ["river"])).all()


def test_negative_stress_is_refused():
    with pytest.raises(ValueError, match="water_stress_ratio must be >= 0"):
        scarcity_factor([0.1, -0.2])


@given(stress, stress, km)
def test_more_stress_is_never_easier(low, high, distance):
    low, high = sorted((low, high))
    easy, hard = supply_difficulty([low, high], [distance, distance], ["river", "river"])
    assert easy <= hard


@given(stress, km, km)
def test_farther_water_is_never_easier(ratio, near, far):
    near, far = sorted((near, far))
    easy, hard = supply_difficulty([ratio, ratio], [near, far], ["lake", "lake"])
    assert 1.0 <= easy <= hard <= 2 * scarcity_factor(ratio) * (1 + 1e-12)


def test_salt_water_needs_the_stated_effort_and_unknown_distance_counts_as_far():
    river, sea = supply_difficulty([0.05, 0.05], [0.0, 0.0], ["river", "sea"], desalination_factor=3.0)
    assert sea == pytest.approx(3.0 * river)
    unknown, far = supply_difficulty([0.05, 0.05], [np.nan, 50.0], ["river", "river"])
    assert unknown == far
