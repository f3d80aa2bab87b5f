"""Money over time: a spreadsheet checked by hand, closed forms, and properties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.physics.cost import capital_recovery_factor
from dcsite.physics.finance import (
    Terms,
    accelerator_hours,
    declining_balance,
    delay_usd_per_month,
    expected_wait_years,
    internal_rate_of_return,
    levelized,
    payback_years,
    present_value,
    project,
    rates_of_return,
    straight_line,
)

# Worked with pencil and a pocket calculator: 100 of capital, 40 at once and 60 after a year; three years of
# operation; costs of 10 that rise by 10 % a year from time 0; revenue of 60; tax of 25 % with straight-line
# depreciation over three years; discount rate 8 %.
SPREADSHEET = """
label     time capital  power  revenue depreciation taxable  tax      net
build 1   0    -40      0      0       0            0        0        -40
build 2   1    -60      0      0       0            0        0        -60
year 1    2    0        -12.1  60      33.3333      14.5667  -3.6417  44.2583
year 2    3    0        -13.31 60      33.3333      13.3567  -3.3392  43.3508
year 3    4    0        -14.641 60     33.3333      12.0257  -3.0064  42.3526
"""
NPV_BY_HAND = -40 - 60 / 1.08 + 44.2583 / 1.1664 + 43.3508 / 1.259712 + 42.3526 / 1.36048896

TERMS = Terms(
    capex_usd=100.0,
    capex_schedule=(0.4, 0.6),
    costs_usd_per_year={"power": 10.0},
    escalation_ratio={"power": 0.10},
    revenue_usd_per_year=60.0,
    discount_rate=0.08,
    life_years=3,
    tax_ratio=0.25,
    depreciation=tuple(straight_line(3)),
)


def test_a_project_equals_the_spreadsheet_made_by_hand():
    found = project(TERMS)
    lines = [line.rsplit(maxsplit=8) for line in SPREADSHEET.strip().splitlines()[1:]]
    assert [line[0].strip() for line in lines] == list(found.labels)
    figures = np.array([[float(cell) for cell in line[1:]] for line in lines])
    ours = np.column_stack(
        [
            found.times_years,
            found.columns["capital"],
            found.columns["power"],
            found.columns["revenue"],
            found.depreciation,
            found.taxable,
            found.columns["tax"],
            found.net,
        ]
    )
    assert np.abs(ours - figures).max() < 1e-4
    assert found.npv_usd == pytest.approx(NPV_BY_HAND, abs=1e-3)
    assert found.npv_usd == pytest.approx(7.9325, abs=1e-3)
    # cumulative: -40, -100, -55.74, -12.39, +29.96: 12.3909 of the last 42.3526 are missing
    assert found.payback_years() == pytest.approx(3 + 12.3909 / 42.3526, abs=1e-4)
    # costs: 40 + 60/1.08 + 12.1/1.1664 + 13.31/1.259712 + 14.641/1.36048896 = 127.2570
    assert found.cost_pv_usd == pytest.approx(127.2570, abs=1e-3)
    # over 5 MWh a year: 127.2570 / (5 x (.857339 + .793832 + .735030))
    assert found.levelized_usd(5.0) == pytest.approx(10.6661, abs=1e-3)


def test_losses_are_carried_forward_and_never_paid_out():
    terms = replace(TERMS, revenue_usd_per_year=30.0)
    found = project(terms)
    # profit: 30 - 12.1 - 33.33 < 0 in every year
    assert found.columns["tax"].tolist() == [0.0] * 5
    rising = replace(TERMS, revenue_usd_per_year=30.0, revenue_growth_ratio=0.5)
    found = project(rising)
    # 67.5, 101.25, 151.875 less costs and depreciation: 22.07, 54.61, 103.90
    assert found.taxable[2:].tolist() == pytest.approx([22.0667, 54.6067, 103.9007], abs=1e-3)
    early = replace(TERMS, depreciation=(0.9, 0.1), revenue_usd_per_year=60.0)
    found = project(early)
    # 60 - 12.1 - 90 = -42.1, carried; 60 - 13.31 - 10 = 36.69 does not cover it; 60 - 14.641 - 5.41 is taxed
    assert found.taxable[2:].tolist() == pytest.approx([0, 0, 60 - 14.641 - (42.1 - 36.69)], abs=1e-9)


@given(
    st.floats(1, 1e9),
    st.floats(0, 1e8),
    st.floats(-0.02, 0.1),
    st.floats(0.01, 0.2),
    st.integers(1, 30),
    st.floats(0, 24),
    st.floats(0, 0.3),
)
def test_the_levelized_price_as_revenue_leaves_no_profit_and_no_loss(
    capex, cost, growth, rate, life, delay, incentive
):
    terms = Terms(
        capex_usd=capex,
        capex_schedule=(0.3, 0.7),
        costs_usd_per_year={"power": cost, "water": 0.1 * cost},
        escalation_ratio={"power": growth},
        discount_rate=rate,
        life_years=life,
        delay_months=delay,
        incentive_ratio=incentive,
        refresh_usd=0.2 * capex,
        residual_ratio=0.05,
    )
    price = project(terms).levelized_usd(8000.0)
    sold = project(replace(terms, revenue_usd_per_year=price * 8000.0))
    assert sold.npv_usd == pytest.approx(0, abs=1e-9 * (capex + cost * life))
    parts = sum(flows for name, flows in sold.columns.items() if name != "net")
    assert np.allclose(parts, sold.net)


@given(st.floats(0.001, 0.3), st.integers(1, 40))
def test_capital_alone_levelizes_to_the_annuity(rate, life):
    terms = Terms(1000.0, {}, rate, life)
    assert project(terms).levelized_usd(1.0) == pytest.approx(1000 * capital_recovery_factor(rate, life))


@given(st.floats(1, 1e6), st.lists(st.floats(0.01, 1e6), min_size=1, max_size=20))
def test_the_present_value_at_the_rate_of_return_is_zero(outlay, income):
    flows = [-outlay, *income]
    rate = internal_rate_of_return(flows)
    if not np.isnan(rate):
        assert present_value(rate, flows) == pytest.approx(0, abs=1e-6 * outlay)
        assert present_value(rate + 0.01, flows) < present_value(rate, flows)
    else:
        # beyond the range looked at: a gain even at 10,000 %, or a loss even at -99 %
        assert present_value(100.0, flows) > 0 or present_value(-0.99, flows) < 0


def test_flows_with_several_rates_have_no_rate_of_return():
    assert rates_of_return([-100.0, 230.0, -132.0]) == pytest.approx((0.1, 0.2))
    assert np.isnan(internal_rate_of_return([-100.0, 230.0, -132.0]))
    assert rates_of_return([100.0, 100.0]) == ()
    assert np.isnan(internal_rate_of_return([-100.0, -1.0]))
    assert internal_rate_of_return([-100.0, 110.0], [0.0, 0.5]) == pytest.approx(1.1**2 - 1)


def test_payback_counts_from_the_last_time_in_the_red():
    assert payback_years([-100.0, 50.0, 50.0]) == 2.0
    assert payback_years([-100.0, 150.0, -100.0, 60.0]) == pytest.approx(2 + 50 / 60)
    assert np.isnan(payback_years([-100.0, 30.0]))
    assert payback_years([10.0, 10.0]) == 0.0
    # discounted at 10 %: -100, 54.545, 49.587: 45.4545 of the second are needed
    assert payback_years([-100.0, 60.0, 60.0], rate=0.10) == pytest.approx(1 + 45.4545 / 49.5868, abs=1e-4)


@given(st.integers(1, 40), st.floats(0.5, 3))
def test_depreciation_writes_off_everything_once(years, factor):
    for shares in (straight_line(years), declining_balance(years, factor=factor)):
        assert shares.sum() == pytest.approx(1)
        assert shares.min() >= 0


def test_declining_balance_gives_the_percentages_of_the_us_tax_tables():
    # IRS Publication 946, table A-1 (half-year convention): 5-year and 15-year property
    assert (100 * declining_balance(5)).round(2).tolist() == [20, 32, 19.2, 11.52, 11.52, 5.76]
    fifteen = [5, 9.5, 8.55, 7.7, 6.93, 6.23, 5.9, 5.9, 5.91, 5.9, 5.91, 5.9, 5.91, 5.9, 5.91, 2.95]
    assert np.abs(100 * declining_balance(15, factor=1.5) - fifteen).max() < 0.01


@given(st.floats(0.01, 0.2), st.floats(0, 36))
def test_a_month_of_delay_costs_what_the_closed_form_says(rate, delay):
    terms = Terms(1000.0, {"power": 50.0}, rate, 10, revenue_usd_per_year=300.0, delay_months=delay)
    price, what = delay_usd_per_month(terms)
    operation = 250.0 / capital_recovery_factor(rate, 10) * (1 + rate) ** (-delay / 12)
    assert price == pytest.approx(operation * (1 - (1 + rate) ** (-1 / 12)))
    assert what == "net present value lost"
    idle, what = delay_usd_per_month(replace(terms, revenue_usd_per_year=0.0))
    assert idle == pytest.approx(1000 * ((1 + rate) ** (1 / 12) - 1))
    assert what == "capital standing idle"


@given(st.floats(0, 5), st.floats(0, 5), st.floats(0, 5), st.floats(0, 12))
def test_the_expected_wait_is_the_mean_over_the_triangle(low, rise, fall, ready):
    mode, high = low + rise, low + rise + fall
    found = expected_wait_years(low, mode, high, ready)
    if high - low < 1e-3:
        assert found == pytest.approx(max(0.0, mode - ready), abs=2e-3)
        return
    # inverse of the cumulative triangle at the middles of 20,000 equal steps
    share = (np.arange(20_000) + 0.5) / 20_000
    cut = rise / (high - low)
    times = np.where(
        share < cut,
        low + np.sqrt(share * (high - low) * rise),
        high - np.sqrt((1 - share) * (high - low) * fall),
    )
    assert found == pytest.approx(np.maximum(0, times - ready).mean(), abs=1e-4)
    with pytest.raises(ValueError, match="must rise"):
        expected_wait_years(2.0, 1.0, 3.0, 0.0)


def test_hardware_is_bought_at_the_start_and_again():
    terms = Terms(100.0, {}, 0.0, 10, refresh_usd=7.0, refresh_years=4, delay_months=6.0)
    found = project(terms)
    assert found.labels[:3] == ("build 1", "hardware", "year 1")
    assert found.times_years[:3].tolist() == [0.0, 0.5, 1.5]
    bought = dict(zip(found.labels, found.columns["refresh"], strict=True))
    assert {label for label, amount in bought.items() if amount} == {"hardware", "year 4", "year 8"}
    assert found.cost_pv_usd == 100 + 3 * 7


def test_incentives_come_back_untaxed_and_leave_less_to_depreciate():
    without, given_back = project(TERMS), project(replace(TERMS, incentive_ratio=0.1, incentive_usd=5.0))
    assert given_back.columns["incentive"].tolist() == [0, 0, 15, 0, 0]
    assert given_back.depreciation.sum() == pytest.approx(85)
    # the tax shield of 15 is lost: 5 a year at 25 %
    assert (given_back.net - without.net)[2:].tolist() == pytest.approx([15 - 1.25, -1.25, -1.25])


def test_what_is_not_written_off_within_the_life_is_at_the_end():
    found = project(replace(TERMS, depreciation=tuple(straight_line(5))))
    assert found.depreciation[2:].tolist() == pytest.approx([20, 20, 60])


def test_levelized_by_hand_and_accelerator_hours():
    assert levelized(0.0, [100.0, 10.0, 10.0], [0.0, 30.0, 30.0]) == 2.0
    assert accelerator_hours(10.0, derate_ratio=0.5) == 10 * 4380


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"capex_schedule": (0.5, 0.6)}, "sum to 1"),
        ({"depreciation": (0.5, 0.6)}, "sum to 1"),
        ({"life_years": 0}, "at least one year"),
        ({"discount_rate": -1.0}, "above -1"),
        ({"tax_ratio": 1.0}, "tax in"),
        ({"delay_months": -1.0}, "delay"),
    ],
)
def test_terms_that_make_no_sense_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        replace(TERMS, **changes)
    for wrong in (lambda: straight_line(0), lambda: declining_balance(0), lambda: present_value(-1, [1.0])):
        with pytest.raises(ValueError, match="needs"):
            wrong()
