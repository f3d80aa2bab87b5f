# %% [markdown]
# # A portfolio, why it is what it is, and a check by hand
#
# 100 MW of cloud that must be near people, 300 MW of training that need not be, and a carbon limit. The optimizer
# chooses sites, cooling and placements together and proves how far the plan can be from the best one. Then we ask
# what the limits cost, what keeps a site out, and add up the bill ourselves.

# %%
import dcsite
from dcsite.data.scenario_file import parse_scenario

SITES = [
    "us-ashburn-va",
    "us-columbus-oh",
    "us-council-bluffs-ia",
    "us-denton-tx",
    "us-los-lunas-nm",
    "us-quincy-wa",
    "us-san-antonio-tx",
    "us-seattle-wa",
]
scenario = parse_scenario(
    {
        "format": 1,
        "title": "Cloud near users, training near power",
        "sites": {"only": SITES, "default_grid_mw": 200},
        "workloads": [
            {
                "name": "cloud",
                "profile": "cloud",
                "it_mw": 100,
                "users": "USA",
                "max_rtt_ms": 40,
                "coverage": 0.9,
                "min_block_mw": 20,
            },
            {"name": "training", "profile": "ai-training", "it_mw": 300, "min_block_mw": 50},
        ],
        "limits": {"max_sites": 4, "carbon_kg_per_mwh": 250},
        "solver": {"gap": 0.0001},
    }
)
tables = dcsite.load_tables()
evaluation = dcsite.evaluate(scenario, tables)
plan = dcsite.optimize(scenario, evaluation)
print(f"{plan.status}: {plan.objective_usd_per_year / 1e6:,.2f} M USD/year, proved to {plan.gap:.3%}")
columns = ["site_id", "technology", "workload", "it_mw", "cost_usd_per_year"]
print(plan.placements[columns].round(1).to_string(index=False))

# %% [markdown]
# ## What does each limit cost?
#
# Twice: at the margin, for this set of sites (the dual of the linear program), and by solving the whole question again
# one step on. The two differ where one more unit would open another site.

# %%
found = dcsite.why(plan, time_limit_s=20)
print(
    found.table[["family", "label", "limit", "unit", "marginal_usd_per_unit", "words"]].to_string(index=False)
)

# %% [markdown]
# ## What keeps Ashburn out?
#
# The cost of forcing it in, and the price of electricity at which it would enter by itself.

# %%
ashburn = dcsite.why_not(plan, "us-ashburn-va", time_limit_s=20)
print(f"forced in, it costs {ashburn.regret_low_usd_per_year / 1e6:,.2f} M USD/year more")
print(ashburn.entry.to_string(index=False))

# %% [markdown]
# ## By hand
#
# No solver here. Energy is rated power x load factor x 8,760 h; at the meter it is that times PUE; the bill is that
# times the delivered price. Carbon likewise.

# %%
facts = evaluation.facts.set_index(["workload", "site_id", "technology"])
power_usd = carbon_kg = energy_mwh = 0.0
for row in plan.placements.itertuples():
    fact = facts.loc[(row.workload, row.site_id, row.technology)]
    it_mwh = row.it_mw * evaluation.profiles[row.workload].load_factor * 8760
    power_usd += it_mwh * fact["pue"] * fact["energy_usd_per_mwh"]
    carbon_kg += it_mwh * fact["carbon_kg_per_mwh"]
    energy_mwh += it_mwh
print(
    f"energy at the meter {power_usd / 1e6:,.3f} M USD/year, the plan says {plan.cost_parts['power'] / 1e6:,.3f}"
)
print(
    f"carbon {carbon_kg / energy_mwh:.2f} kg per IT-MWh, the plan says {plan.carbon_kg_per_mwh:.2f}, the limit 250"
)

# %% [markdown]
# ## The headline, asserted
#
# The plan is proved, every limit holds without the solver, and the sums above agree with it.

# %%
assert plan.status == "optimal"
assert plan.gap <= 1e-4
assert not dcsite.verify(plan, evaluation)
assert abs(power_usd / plan.cost_parts["power"] - 1) < 1e-6
assert abs(carbon_kg / energy_mwh - plan.carbon_kg_per_mwh) < 1e-4
assert carbon_kg / energy_mwh <= 250 * (1 + 1e-9)
