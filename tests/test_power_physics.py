"""What prices demand of the arithmetic: tariffs, curves, the synthetic year, loads that may stop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dcsite.data.tables import load_tables
from dcsite.physics.power import (
    MOST_BLOCKS,
    Restarts,
    best_hours,
    billed_demand_mw,
    checkpointed_hours,
    chronological,
    close_tail,
    contract_price_usd_per_mwh,
    cost_blocks,
    curves_of,
    days_of,
    delivered_price_usd_per_mwh,
    demand_usd_per_mw_year,
    hourly_cost_usd_per_it_mwh,
    margins,
    mean_price_paid,
    price_noise,
    price_year,
)

MONTH = np.repeat(np.arange(12), 30 * 24)
HOUR = np.tile(np.arange(24), 360)
WEIGHT = np.full(8640, 8760 / 8640)

# --- tariffs ------------------------------------------------------------------------------------------


def test_grant_county_by_class_at_load_factor_0_9():
    """Rates 15 (10 MW and over), 14 and 17 of the utility's schedules."""
    price = delivered_price_usd_per_mwh(
        [33.0, 26.0, 70.9], demand_usd_per_kw_month=[6.03, 5.96, 6.0], load_factor=0.9
    )
    assert price.round(1).tolist() == [42.2, 35.1, 80.0]


def test_a_demand_charge_weighs_more_on_a_load_that_is_seldom_at_its_peak():
    six = delivered_price_usd_per_mwh(0.0, demand_usd_per_kw_month=6.0, load_factor=[0.9, 0.5])
    assert six.round(1).tolist() == [9.1, 16.4]
    assert demand_usd_per_mw_year(6.0, 1.0) == 72_000
    assert demand_usd_per_mw_year(6.0, 1.0, shed_ratio=1.0) == 0


def test_a_minimum_bill_is_paid_on_what_was_contracted():
    assert billed_demand_mw([60.0, 95.0], contracted_mw=100.0, min_demand_ratio=0.85).tolist() == [85.0, 95.0]
    assert billed_demand_mw(60.0, contracted_mw=100.0, min_demand_ratio=np.nan) == 60.0
    low = delivered_price_usd_per_mwh(
        30.0, demand_usd_per_kw_month=6.0, peak_mw=50.0, contracted_mw=100.0, min_demand_ratio=0.85
    )
    assert low == pytest.approx(30.0 + 6.0 * 1000 * 85 / 50 / 730)


@given(st.floats(0.05, 1), st.floats(0, 200), st.floats(0, 30), st.floats(0.1, 5))
def test_all_prices_times_k_is_the_bill_times_k(load_factor, energy, demand, k):
    one = delivered_price_usd_per_mwh(energy, demand_usd_per_kw_month=demand, load_factor=load_factor)
    more = delivered_price_usd_per_mwh(
        energy * k, demand_usd_per_kw_month=demand * k, load_factor=load_factor
    )
    assert more == pytest.approx(k * one)


@pytest.mark.parametrize("bad", [{"load_factor": 0.0}, {"load_factor": 1.2}, {"peak_mw": 0.0}])
def test_a_load_that_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match="must be"):
        delivered_price_usd_per_mwh(30.0, **bad)


# --- duration curves ----------------------------------------------------------------------------------

SHARE = np.array([0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.98, 0.995, 1.0])
curve_cases = st.integers(0, 10_000).map(
    lambda seed: np.sort(np.random.default_rng(seed).gamma(2.0, 40.0, len(SHARE)) - 20.0)
)


def test_the_spike_is_closed_by_the_mean_of_the_year():
    price = np.array([0, 10, 20, 30, 40, 60, 100, 200, 15_000.0])
    straight = np.trapezoid(price, SHARE) if hasattr(np, "trapezoid") else np.trapz(price, SHARE)  # noqa: NPY201
    assert straight > 60
    assert close_tail(SHARE, price, 40.0)[-1] == pytest.approx(40.0)
    assert close_tail(SHARE, price, 1e6)[-1] < 1e6


@settings(max_examples=50, deadline=None)
@given(curve_cases)
def test_a_curve_keeps_its_quantiles_and_every_cumulative_mean_and_rises(price):
    cumulative = close_tail(SHARE, price, (price[1:] + price[:-1]).mean() / 2)
    curve = curves_of(SHARE, price, cumulative)
    at = np.linspace(0, 1, 2001)[None]
    assert curve.integral(SHARE[None])[0] == pytest.approx(cumulative * SHARE, abs=1e-9)
    prices = curve.price(at)[0]
    assert (np.diff(prices) >= -1e-9).all()
    assert prices[0] >= price[0] - 1e-9
    assert prices[-1] <= price[-1] + 1e-9
    assert np.diff(curve.integral(at)[0]) == pytest.approx(
        (prices[1:] + prices[:-1]) / 2 * 5e-4, abs=2e-2 * (1 + np.ptp(price))
    )


@pytest.mark.parametrize(
    ("share", "price"), [([0, 0.5, 0.9], [1, 2, 3]), ([0, 0.5, 1], [1, 3, 2]), ([0, 1], [1, 2, 3])]
)
def test_shares_and_prices_that_are_no_curve_are_refused(share, price):
    with pytest.raises(ValueError, match=r"rise|fall"):
        close_tail(share, price, 2.0)


def test_the_shipped_blocks_recombine_to_the_mean_of_the_year_and_curves_are_monotone():
    tables = load_tables()
    duration, blocks = tables.frame("duration"), tables.frame("blocks")
    mean = duration[duration["hours_ratio"] == 1].set_index(["zone_id", "year"])
    width = blocks["to_ratio"] - blocks["from_ratio"]
    summed = (blocks["mean_native_per_mwh"] * width).groupby([blocks["zone_id"], blocks["year"]]).sum()
    assert summed.to_numpy() == pytest.approx(
        mean.loc[summed.index, "cumulative_mean_native_per_mwh"].to_numpy(), abs=1e-3
    )
    for _, part in duration.groupby(["zone_id", "year"]):
        price = part.sort_values("hours_ratio")["price_native_per_mwh"].to_numpy()
        assert (np.diff(price) >= 0).all()


# --- the synthetic year -------------------------------------------------------------------------------


def year(price=None, corr=0.0, weather=None, std=10.0):
    price = np.linspace(-10, 200, len(SHARE)) if price is None else price
    curve = curves_of(SHARE, price, close_tail(SHARE, price, price.mean()))
    mean = 50 + 20 * np.sin(np.arange(288) / 288 * 2 * np.pi).reshape(1, 12, 24)
    made = price_year(
        curve,
        mean,
        np.full((1, 12, 24), std),
        MONTH,
        HOUR,
        WEIGHT,
        weather_score=weather,
        price_weather_corr=corr,
    )
    return curve, made[0]


def test_the_spread_of_prices_over_the_year_is_the_curve():
    curve, made = year()
    assert made @ WEIGHT / 8760 == pytest.approx(curve.mean_usd_per_mwh[0])
    share = np.arange(1, 8641)[None] / 8640
    assert np.cumsum(np.sort(made)) / 8640 == pytest.approx(curve.integral(share)[0], abs=1e-9)


def test_weather_moves_prices_as_much_as_asked_and_never_their_spread():
    weather = np.random.default_rng(3).standard_normal(8640)
    _, free = year()
    found = []
    for corr in (-0.9, 0.0, 0.5, 0.9):
        _, made = year(corr=corr, weather=weather)
        assert np.sort(made) == pytest.approx(np.sort(free), abs=1e-9)
        found.append(np.corrcoef(made, weather)[0, 1])
    assert found == sorted(found)
    assert abs(found[1]) < 0.05
    with pytest.raises(ValueError, match="weather_score"):
        year(corr=0.5)
    with pytest.raises(ValueError, match="price_weather_corr"):
        year(corr=1.5, weather=weather)


def test_days_of_a_month_differ_in_price_by_even_quantiles_and_keep_them_all_day():
    noise = price_noise(MONTH, HOUR)
    first = noise[(MONTH == 0) & (HOUR == 3)]
    assert noise[(MONTH == 0) & (HOUR == 17)] == pytest.approx(first)
    assert np.sort(first) == pytest.approx(-np.sort(-first)[::1][::-1][::-1][::-1])
    assert first.mean() == pytest.approx(0, abs=1e-9)
    assert first.std() == pytest.approx(1, abs=0.03)
    shuffled = np.random.default_rng(0).permutation(8640)
    assert days_of(MONTH[shuffled], HOUR[shuffled]).max() == 29
    order = chronological(MONTH, HOUR)
    assert (np.diff(MONTH[order]) >= 0).all()
    assert (HOUR[order][:48] == np.tile(np.arange(24), 2)).all()


def test_hours_without_a_profile_still_follow_the_curve():
    curve = curves_of([0, 0.5, 1], [[10, 20, 30.0]], [[10, 15, 20.0]])
    blank = np.full((1, 12, 24), np.nan)
    made = price_year(curve, blank, blank, MONTH, HOUR, WEIGHT)
    assert made @ WEIGHT / 8760 == pytest.approx(20.0)


def test_a_contract_passes_the_market_through_around_the_delivered_level():
    market = np.array([[10.0, 50.0]])
    asked = {"energy_usd_per_mwh": 60.0, "base_usd_per_mwh": 30.0}
    assert contract_price_usd_per_mwh(market, **asked, pass_through=1.0).tolist() == [[40.0, 80.0]]
    assert contract_price_usd_per_mwh(market, **asked, pass_through=0.0).tolist() == [[60.0, 60.0]]
    with pytest.raises(ValueError, match="indexed"):
        contract_price_usd_per_mwh(market, energy_usd_per_mwh=20.0, base_usd_per_mwh=30.0, pass_through=0.5)


# --- loads that may stop ------------------------------------------------------------------------------


def hours(seed, count=200):
    rng = np.random.default_rng(seed)
    price = rng.gamma(2.0, 30.0, count) - 15.0
    pue = 1.05 + 0.3 * rng.random(count)
    weight = rng.uniform(0.5, 1.5, count)
    return price, pue, weight * 8760 / weight.sum()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(-20, 200), st.floats(0.05, 1.0))
def test_the_closed_form_is_the_hourly_sort_done_by_hand(seed, value, most):
    price, pue, weight = hours(seed)
    cost = price * pue
    run = best_hours(cost, weight, value, max_availability=most)
    left, got, spent, paid, energy = most * 8760.0, 0.0, 0.0, 0.0, 0.0
    for hour in sorted(range(len(cost)), key=lambda h: cost[h]):
        if cost[hour] > value or left <= 0:
            break
        taken = min(weight[hour], left)
        left -= taken
        got += taken
        spent += taken * cost[hour]
        paid += taken * pue[hour] * price[hour]
        energy += taken * pue[hour]
    assert run.hours_run[0] == pytest.approx(got, rel=1e-9, abs=1e-6)
    assert run.margin_usd_per_mw_year[0] == pytest.approx(value * got - spent, abs=1e-4)
    price_paid = mean_price_paid(run, price[None], pue[None], weight)[0]
    assert price_paid == pytest.approx(paid / energy) if energy else np.isnan(price_paid)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_margin_is_convex_and_not_falling_and_ends_as_it_must(seed):
    price, pue, weight = hours(seed)
    cost = price * pue
    value = np.linspace(cost.min() - 10, cost.max() + 10, 101)
    made = margins(cost, weight, value)
    assert (np.diff(made) >= -1e-6).all()
    assert (np.diff(made, 2) >= -1e-4).all()
    assert margins(cost, weight, [cost.min()])[0] == pytest.approx(0, abs=1e-6)
    top = cost.max() + 5
    assert margins(cost, weight, [top])[0] == pytest.approx(8760 * (top - cost @ weight / 8760))
    assert made == pytest.approx(
        [best_hours(cost, weight, v).margin_usd_per_mw_year[0] for v in value], abs=1e-4
    )


@given(st.floats(-50, 200), st.floats(0, 150), st.floats(1, 2))
def test_at_a_flat_price_all_hours_run_or_none(value, price, pue):
    cost = hourly_cost_usd_per_it_mwh(np.full(24, price), pue)
    assume(abs(value - price * pue) > 1e-6)
    run = best_hours(cost, np.full(24, 365.0), value)
    assert run.margin_usd_per_mw_year[0] == pytest.approx(8760 * max(0.0, value - price * pue), abs=1e-6)
    assert run.hours_run[0] in (0.0, 8760.0)


def test_sorting_by_price_alone_earns_less_where_heat_and_price_part():
    price, pue = np.array([40.0, 50.0]), np.array([2.0, 1.1])
    run = best_hours(price * pue, np.full(2, 4380.0), 60.0)
    assert run.running_ratio.tolist() == [[0.0, 1.0]]


def test_a_least_availability_runs_the_cheapest_losses_and_nothing_else():
    run = best_hours([[10.0, 20, 30, 40]], np.full(4, 2190.0), 15.0, min_availability=0.6)
    assert run.running_ratio[0] == pytest.approx([1, 1, 0.4, 0])
    with pytest.raises(ValueError, match="availability"):
        best_hours([[1.0]], [8760.0], 1.0, max_availability=0.5, min_availability=0.6)


def test_hours_that_heat_stops_earn_nothing():
    run = best_hours([[10.0, 20.0]], [4380.0, 4380.0], 50.0, derate_ratio=[[0.0, 0.5]])
    assert run.hours_run[0] == 6570
    assert run.margin_usd_per_mw_year[0] == pytest.approx(4380 * 40 + 2190 * 30)


def test_an_unknown_cost_stays_unknown():
    run = best_hours([[10.0, np.nan], [10.0, 20.0]], [4380.0, 4380.0], 50.0)
    assert np.isnan(run.hours_run[0])
    assert np.isnan(run.margin_usd_per_mw_year[0])
    assert run.hours_run[1] == 8760


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(5, 120))
def test_blocks_give_the_closed_form_within_a_tenth_of_a_percent_and_recombine(seed, value):
    price, pue, weight = hours(seed, 2000)
    cost = price * pue
    blocks = cost_blocks(cost, weight, value, pue)
    exact = margins(cost, weight, [value])[0]
    given_ = (blocks.hours * np.maximum(0, value - blocks.means[:, 0])).sum()
    assert exact * (1 - 1e-3) - 1e-6 <= given_ <= exact + 1e-6
    assert len(blocks.hours) <= MOST_BLOCKS
    assert blocks.hours.sum() == pytest.approx(8760)
    assert blocks.hours @ blocks.means[:, 0] == pytest.approx(cost @ weight)
    assert blocks.hours @ blocks.means[:, 1] == pytest.approx(pue @ weight)
    assert (np.diff(blocks.means[:, 0]) >= -1e-9).all()


# --- loads that pay for each stop ---------------------------------------------------------------------


def by_trying(gain, start, min_run):
    """Best of all on-off patterns that begin running and whose later runs last long enough."""
    best = -np.inf
    for pattern in itertools.product((False, True), repeat=len(gain)):
        runs, before, start_hour = [], True, -1
        for hour, on in enumerate((*pattern, False)):
            if on and not before:
                start_hour = hour
            if not on and before and start_hour >= 0:
                runs.append((start_hour, hour))
                start_hour = -1
            before = on
        if any(end - begin < min_run and end < len(gain) for begin, end in runs):
            continue
        value = sum(g for g, on in zip(gain, pattern, strict=True) if on)
        best = max(best, value - start * len(runs))
    return best


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.floats(0, 40))
def test_dynamic_programming_agrees_with_trying_everything(seed, min_run, start):
    cost = np.random.default_rng(seed).uniform(0, 60, 10)
    made = checkpointed_hours(cost, np.ones(10), 30.0, Restarts(usd_per_restart=start, min_run_hours=min_run))
    assert made.margin_usd_per_mw_year[0] == pytest.approx(by_trying(30.0 - cost, start, min_run))


def test_free_restarts_give_the_closed_form_and_dear_ones_never_more():
    cost = np.stack([hours(seed, 1000)[0] for seed in range(3)])
    weight = np.full(1000, 8.76)
    closed = best_hours(cost, weight, 50.0).margin_usd_per_mw_year
    free = checkpointed_hours(cost, weight, 50.0, Restarts())
    assert free.margin_usd_per_mw_year == pytest.approx(closed)
    before = free
    for usd in (20.0, 200.0, 1e6):
        made = checkpointed_hours(cost, weight, 50.0, Restarts(usd_per_restart=usd, lost_hours=0.1))
        assert (made.margin_usd_per_mw_year <= before.margin_usd_per_mw_year + 1e-6).all()
        assert (made.starts <= before.starts).all()
        before = made
    assert (before.starts == 0).all()


def test_training_keeps_its_availability():
    price, _, weight = hours(1, 1000)
    for least in (0.8, 0.95):
        made = checkpointed_hours(price, weight, 20.0, Restarts(usd_per_restart=50.0), min_availability=least)
        assert made.hours_run[0] >= least * 8760 - 1e-6
        assert made.hours_run[0] < (least + 0.05) * 8760
        bound = best_hours(price, weight, 20.0, min_availability=made.hours_run[0] / 8760)
        assert made.margin_usd_per_mw_year[0] <= bound.margin_usd_per_mw_year[0] + 1e-6
