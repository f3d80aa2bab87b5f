# %% [markdown]
# # How sure is a ranking?
#
# A ranking rests on weights that people dispute and on figures that are known within a range. This notebook asks
# how often each site is first when both are drawn, what it would take to change the winner, and what no weights
# can change.

# %%
import dcsite

tables = dcsite.load_tables()
evaluation = dcsite.evaluate(
    dcsite.quick_scenario(profiles=["ai-training"], where={"country": "USA"}), tables
)
ranking = dcsite.rank(evaluation)
print(
    ranking.table[["rank", "tie_group", "site_id", "score", "price_usd_per_mwh", "pue"]]
    .head(8)
    .to_string(index=False)
)

# %% [markdown]
# ## Draws
#
# Weights around the nominal ones (a Dirichlet distribution), facts within their own spread. Errors that sites share,
# like the tariff row of a price zone, are drawn once for all of them.

# %%
result = dcsite.robustness(evaluation, 10_000, 0, concentration=20.0)
columns = ["rank", "site_id", "first_ratio", "top3_ratio", "rank_p05", "rank_p95", "best_rank", "worst_rank"]
print(result.table[columns].head(8).to_string(index=False))

# %% [markdown]
# ## Without chance
#
# The smallest shift of weight that lets the runner-up draw level, in closed form; the range of each weight within
# which the winner stays; pairs in which one site is at least as good in everything.

# %%
move = result.move
if move is None:
    print("No weights put the second before the first.")
else:
    for source, target, amount in move.moves:
        print(f"move {amount:.1%} of the weight from {source} to {target}")
print(result.stability.to_string(index=False))
print(f"{len(result.dominance):,} pairs in which one site dominates the other")
print(f"{int(result.table['can_win'].sum())} of {len(result.table)} sites are first under some weights")

# %% [markdown]
# ## Facts against weights
#
# Where does the doubt come from: from what one values, or from what one knows?

# %%
winner = ranking.table["site_id"][0]
shares = {}
for name, options in {
    "both drawn": {"concentration": 20.0},
    "weights only": {"concentration": 20.0, "facts": False},
    "facts only": {"concentration": float("inf")},
}.items():
    drawn = dcsite.robustness(evaluation, 4_000, 0, exact_sites=[], **options)
    shares[name] = float(drawn.table.set_index("site_id").at[winner, "first_ratio"])
    print(f"{name:13} {winner} is first in {shares[name]:.0%}")

# %% [markdown]
# ## The headline, asserted
#
# Shares are shares, exact ranks bound the drawn ones, and what is asked twice is answered twice the same.

# %%
assert abs(result.table["first_ratio"].sum() - 1) < 1e-9
known = result.table.dropna(subset=["best_rank"])
assert (known["best_rank"] <= known["rank"]).all()
assert (known["rank"] <= known["worst_rank"]).all()
again = dcsite.robustness(evaluation, 10_000, 0, concentration=20.0)
assert again.table.equals(result.table)
assert ranking.table["site_id"][0] in set(result.table.nlargest(3, "first_ratio")["site_id"])
