# %% [markdown]
# # Going dry: what a cubic meter of water is worth
#
# Evaporating water cools with little power. A hall that does without it needs more. So every dry technology sets a
# price on water: the energy it adds, times the price of power, over the water it saves. Where water costs more than
# that, or will not be permitted, dry wins.

# %%
import pandas as pd

import dcsite
from dcsite.data.places import catalog_sites
from dcsite.study.cooling_views import technology_table, trade_off

tables = dcsite.load_tables()
profiles = dcsite.load_profiles(tables)
sites = catalog_sites(tables)
facts = dcsite.evaluate(dcsite.quick_scenario(profiles=["cloud"]), tables).facts
price = facts.groupby("site_id")["price_usd_per_mwh"].first()

# %% [markdown]
# ## One place, all technologies
#
# Power and water of each, at Phoenix's dry heat. The same electrical terms for all, so that cooling decides and not
# the age of the UPS.

# %%
phoenix = sites[sites["site_id"] == "us-phoenix-az"]
table, climate = technology_table(tables, phoenix, ("all",), profiles)
columns = ["technology", "admissible", "pue", "pue_design", "wue_l_per_kwh", "withdrawal_l_per_kwh"]
print(table[columns].round(3).to_string(index=False))

# %% [markdown]
# ## Five climates
#
# The best step from the wet technology of least energy (towers with an economizer) to a dry hall with chillers and
# free cooling.

# %%
rows = []
for site_id in ("us-phoenix-az", "us-quincy-wa", "us-ashburn-va", "gb-london", "sg-singapore"):
    place = sites[sites["site_id"] == site_id]
    table, _ = technology_table(
        tables, place, ("tower_wse", "air_chiller_econ"), profiles, profile=profiles["cloud"]
    )
    step = trade_off(table, float(price[site_id]))
    if step.empty:
        print(f"{site_id}: no admissible pair")
        continue
    first = step.iloc[0]
    figures = first.drop(["from_technology", "to_technology"])
    rows.append({"site_id": site_id, "price_usd_per_mwh": float(price[site_id]), **figures})
steps = pd.DataFrame(rows).set_index("site_id")
print(steps.round(3).to_string())

# %% [markdown]
# ## By hand
#
# Phoenix again: the difference of two PUE is the extra energy per MWh of IT, the difference of two WUE (in liters per
# kWh, so in cubic meters per MWh) the water saved.

# %%
table, _ = technology_table(
    tables, phoenix, ("tower_wse", "air_chiller_econ"), profiles, profile=profiles["cloud"]
)
wet, dry = table.set_index("technology").loc[["tower_wse", "air_chiller_econ"]].itertuples()
by_hand = (dry.pue - wet.pue) * price["us-phoenix-az"] / (wet.wue_l_per_kwh - dry.wue_l_per_kwh)
print(f"{by_hand:.2f} USD per m3; the table says {steps.loc['us-phoenix-az', 'usd_per_m3']:.2f}")

# %% [markdown]
# ## How far can one trust the figures?
#
# What operators report, against the estimate for such a hall. This fit has seen these sites; `docs/accuracy_cooling.md`
# has the same figures with each site left out (RMSE 0.054), and simpler rules beside them.

# %%
from dcsite.study.cooling import reported_estimate

reported = pd.read_csv("tests/data/reported_pue.csv")
estimate = reported_estimate(
    tables,
    reported["lat"],
    reported["lon"],
    list(reported["technology"]),
    vintage=list(reported["vintage"].fillna("")),
    year=reported["year"],
)
error = estimate["pue"].to_numpy() - reported["reported_pue"].to_numpy()
inside = (
    reported["reported_pue"].between(estimate["pue_low"].to_numpy(), estimate["pue_high"].to_numpy()).mean()
)
rmse = float((error**2).mean() ** 0.5)
print(
    f"{len(reported)} site-years: RMSE {rmse:.3f}, bias {error.mean():+.3f}, {inside:.0%} within the 80 % interval"
)

# %% [markdown]
# ## The headline, asserted
#
# In each of these climates going dry costs more per cubic meter than the middle tariff of the world: scarcity and permits
# make halls dry, not the water bill.

# %%
tariffs = tables.frame("water_prices").set_index("area_id")
tariff = float(tariffs.loc["world", "price_usd_per_m3"])
print(f"the world's middle tariff: {tariff:.2f} USD per m3")
assert abs(by_hand - steps.loc["us-phoenix-az", "usd_per_m3"]) < 1e-9
assert steps["usd_per_m3"].min() > tariff
assert (steps["extra_design_ratio"] > 0).all()
assert rmse < 0.06
