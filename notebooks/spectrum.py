# %% [markdown]
# # Who wins as racks gain power?
#
# Power, cooling and water cost a rack in proportion to what it draws; what users pay for nearness does not grow with
# it. So as racks go from cloud servers to accelerators, cheap power gains and nearness loses. This notebook draws
# that shift for the United States, with exact break points.

# %%
import dcsite

tables = dcsite.load_tables()
scenario = dcsite.quick_scenario(profiles=["cloud"], users="USA", where={"country": "USA"})
evaluation = dcsite.evaluate(scenario, tables)
profile = evaluation.profiles["cloud"]
print(
    f"{profile.rack_kw:g} kW racks, latency worth {profile.latency_worth_usd_per_rack_year:,.0f} USD per rack-year"
)

# %% [markdown]
# ## The weights follow
#
# The same swings, at 1x to 16x the rack power. Nothing else changes.

# %%
from dcsite.scoring.weights import swing_weights

for factor in (1, 2, 4, 8, 16):
    weights = swing_weights(profile.model_copy(update={"rack_kw": profile.rack_kw * factor})).weight
    print(f"{factor:>2}x  " + "  ".join(f"{name} {value:5.1%}" for name, value in weights.items()))

# %% [markdown]
# ## The winners
#
# Each site is a straight line along either axis, so the winners are an upper envelope. No grid of trial values.

# %%
found = dcsite.spectrum(evaluation, tables)
print(found.table[["axis", "from", "to", "site_id", "technology"]].round(2).to_string(index=False))

# %%
for sentence in found.table["sentence"]:
    print("-", sentence)
for note in found.notes:
    print("*", note)

# %% [markdown]
# ## Is it true?
#
# At any rack power the envelope's winner must be what a full ranking puts first.

# %%
for factor in (1.0, 2.0, 3.0, 5.0):
    load = evaluation.workloads["cloud"].model_copy(update={"rack_kw": profile.rack_kw * factor})
    again = dcsite.evaluate(scenario.model_copy(update={"workloads": (load,)}), tables)
    scores = dcsite.rank(again).table.set_index("site_id")["score"]
    winner = found.winner(rack_factor=factor)
    print(f"{factor:g}x: {winner} scores {scores[winner]:.3f}, the best {scores.max():.3f}")
    assert abs(scores[winner] - scores.max()) < 1e-6

# %% [markdown]
# ## The headline, asserted
#
# The spectrum starts near the users and ends at cheap hydropower on the Columbia River.

# %%
reach = found.lines.set_index("site_id")["reach_value_ratio"]
first, last = found.rack[0].site_id, found.rack[-1].site_id
print(f"{first} ({reach[first]:.0%} of the best reach) ... {last} ({reach[last]:.0%})")
assert last == "us-quincy-wa"
assert reach[first] > 0.9 > reach[last]
