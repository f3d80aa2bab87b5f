# %% [markdown]
# # Price years
#
# A crisis hits everyone at once: prices are drawn as whole historical years, the same year for all zones, never
# zone by zone. This notebook runs a miner and a training hall through the years 2020 to 2025: what a contract that
# follows the market pays, which hours are worth running, and who moves in the ranking.

# %%
import dcsite

tables = dcsite.load_tables()
names = ["us-plano-tx", "us-quincy-wa", "is-keflavik", "de-frankfurt", "se-boden"]
training = dcsite.quick_scenario(profiles=["ai-training"], only=names)
mining = dcsite.quick_scenario(profiles=["crypto"], only=names)

# %% [markdown]
# ## What an indexed contract pays
#
# `price_scenario(scenario, "year-2021")` takes the market of 2021 and lets all contracts follow it. A fixed tariff
# (the profile's default for training) does not move at all.

# %%
prices = {"listed": dcsite.evaluate(training, tables)}
for year in range(2020, 2026):
    prices[str(year)] = dcsite.evaluate(dcsite.price_scenario(training, f"year-{year}"), tables)
for year, evaluation in prices.items():
    by_site = evaluation.facts.groupby("site_id")["price_usd_per_mwh"].first()
    print(year.rjust(6), by_site.round(1).to_dict())

# %% [markdown]
# ## Which hours a miner runs
#
# The same break-even, other years: in the Texan storm of 2021 the few dearest hours carry the mean, so a load that
# can stop hardly notices; in the European crisis of 2022 nearly all hours are dear.

# %%
hours, margin = {}, {}
for year in range(2020, 2026):
    found = dcsite.interruptible(dcsite.price_scenario(mining, f"year-{year}"), tables)
    table = found.frame.set_index("site_id")
    hours[year], margin[year] = table["hours_run"], table["margin_usd_per_mw_year"]
    print(year, table["hours_run"].round(0).to_dict())

# %% [markdown]
# ## Where the figures come from
#
# A zone without a year follows the means of a zone of its country, or stands still; both are estimates and say so.

# %%
for row in found.frame.itertuples():
    print(row.site_id, row.curve_zone_id or "flat tariff", row.curve_quality, "|", row.curve_note)

# %% [markdown]
# ## The headline, asserted
#
# In 2021 the Texan mean was five times that of 2024, yet a miner in Plano ran nearly 90 % of the hours. In 2022 one in
# Frankfurt stood still nearly all year, while Iceland, on a tariff of its own, felt nothing.

# %%
storm = prices["2021"].facts.groupby("site_id")["price_usd_per_mwh"].first()
calm = prices["2024"].facts.groupby("site_id")["price_usd_per_mwh"].first()
assert storm["us-plano-tx"] > calm["us-plano-tx"] + 100
assert hours[2021]["us-plano-tx"] > 0.85 * 8760
assert hours[2022]["de-frankfurt"] < 0.1 * 8760
assert hours[2020]["is-keflavik"] == hours[2022]["is-keflavik"]
assert prices["listed"].facts["price_usd_per_mwh"].notna().all()
