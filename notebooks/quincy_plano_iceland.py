# %% [markdown]
# # Quincy, Plano or Iceland?
#
# Three kinds of cheap power: hydropower beside the Columbia River, the Texas grid, and Icelandic hydropower and
# geothermal heat, cool and far from everybody. Which one wins depends on the load. This notebook asks for cloud,
# AI training and mining, with the shipped tables only.

# %%
import dcsite

scenario = dcsite.load_scenario("scenarios/quincy_plano_iceland.toml")
tables = dcsite.load_tables()
evaluation = dcsite.evaluate(scenario, tables)
evaluation.sites[["name", "country_iso3", "zone_id", "water_kind", "water_stress_ratio"]]

# %% [markdown]
# ## The facts
#
# Real units first; the score comes later. `effective_price_usd_per_mwh` is what the load pays in the hours it runs.

# %%
columns = [
    "technology",
    "effective_price_usd_per_mwh",
    "pue",
    "wue_l_per_kwh",
    "reach_ratio",
    "levelized_usd_per_it_mwh",
]
rankings = {name: dcsite.rank(evaluation, workload=name) for name in evaluation.workloads}
for name, ranking in rankings.items():
    print(name)
    print(ranking.table[["rank", "site_id", "score", *columns]].round(3).to_string(index=False), "\n")

# %% [markdown]
# ## The weights follow from rack power
#
# Nobody decreed them: each weight is what moving one criterion from its worst to its best anchor is worth per rack
# and year. Four times the rack power makes latency weigh less, and power more.

# %%
for name, ranking in rankings.items():
    print(name, {key: round(value, 3) for key, value in ranking.weights.weight.items()})

# %% [markdown]
# ## Why the winner wins
#
# The parts of a score sum to it, and the parts of the cost sum to the cost.

# %%
sites = list(evaluation.sites["site_id"])
for name in evaluation.workloads:
    comparison = dcsite.compare(evaluation, sites, workload=name)
    gap = comparison.waterfall.groupby("site_id")["difference_usd_per_mw_year"].sum()
    print(name, "winner:", comparison.winner, "cheapest:", comparison.cheapest)
    print(gap.round(0).to_string(), "\n")

# %% [markdown]
# ## The headline, asserted
#
# A US cloud wants to be near its users, a miner wants Icelandic power or better, and the weight of latency falls
# with rack power.

# %%
cloud, training, crypto = (rankings[name] for name in ("cloud", "ai-training", "crypto"))
reach = cloud.table.set_index("site_id")["reach_ratio"]
assert reach["us-plano-tx"] > reach["is-keflavik"]
assert cloud.weights.weight["latency"] > 0.4
assert training.weights.weight["latency"] == crypto.weights.weight["latency"] == 0
pue = training.table.set_index("site_id")["pue"]
assert pue["is-keflavik"] == pue.min()
for ranking in rankings.values():
    parts = ranking.table[
        [column for column in ranking.table if column.startswith("score_") and column != "score_sd"]
    ]
    assert (parts.sum(axis=1) - ranking.table["score"]).abs().max() < 1e-9
