"""Scenarios made from options."""

import pytest

from dcsite.data.scenario_file import load_scenario
from dcsite.errors import ScenarioError, UsageError
from dcsite.study.quick import key_values, quick_scenario, weights_of, where_of


def test_one_workload_per_profile_with_the_asked_power():
    scenario = quick_scenario(profiles=["cloud", "crypto", "cloud"], it_mw=40, users="USA", by=2029)
    assert [(load.name, load.it_mw, load.users) for load in scenario.workloads] == [
        ("cloud", 40, "USA"),
        ("crypto", 40, "USA"),
    ]
    assert scenario.by == 2029


def test_options_change_a_scenario_file_and_keep_the_rest():
    base = load_scenario("scenarios/portfolio.toml")
    changed = quick_scenario(base=base, it_mw=150, weights={"price": 1.0}, subsidy_removed=None)
    assert {load.it_mw for load in changed.workloads} == {150}
    assert changed.subsidy_removed is True
    assert changed.limits == base.limits
    assert changed.score.weights == {"price": 1.0}


def test_a_value_out_of_range_names_its_key():
    with pytest.raises(ScenarioError, match=r"workloads\[0\]\.it_mw"):
        quick_scenario(it_mw=-5)
    with pytest.raises(ScenarioError, match="by"):
        quick_scenario(by=1066)


def test_weights_are_read_and_refused_with_a_hint():
    assert weights_of("price=40, water=20") == {"price": 40.0, "water": 20.0}
    assert weights_of(None) is None
    with pytest.raises(UsageError) as caught:
        weights_of("prise=40")
    assert "did you mean 'price'?" in str(caught.value)
    for text in ("price=-1", "price=inf", "price=nan", "price=x"):
        with pytest.raises(UsageError, match="number of 0 or more"):
            weights_of(text)
    with pytest.raises(UsageError, match="above 0"):
        weights_of("price=0,water=0")


def test_conditions_take_several_values():
    assert where_of("country=USA|CAN,tag=ai") == {"country": ("USA", "CAN"), "tag": "ai"}
    for text in ("country", "country=", "=USA", "tag=ai,tag=cloud"):
        with pytest.raises(UsageError):
            key_values(text, "--where")
