"""The stories that the shipped tables must tell: directions, not figures."""

import pytest

import dcsite


@pytest.fixture(scope="module")
def tables():
    return dcsite.load_tables()


def ranked(tables, profile, **options):
    evaluation = dcsite.evaluate(dcsite.quick_scenario(profiles=[profile], **options), tables)
    return evaluation, dcsite.rank(evaluation, tables=tables)


@pytest.fixture(scope="module")
def cloud(tables):
    return ranked(tables, "cloud", users="USA")


@pytest.fixture(scope="module")
def training(tables):
    return ranked(tables, "ai-training")


@pytest.fixture(scope="module")
def crypto(tables):
    return ranked(tables, "crypto")


def places(ranking):
    return ranking.table.set_index("site_id")["rank"]


def test_us_cloud_favors_central_and_eastern_us_sites_over_iceland(cloud):
    evaluation, ranking = cloud
    rank = places(ranking)
    top = ranking.table.head(10)["site_id"]
    assert evaluation.sites.loc[top, "lon"].between(-115, -70).all()
    assert evaluation.sites.loc[top, "country_iso3"].isin(["USA", "CAN"]).all()
    for site in ("us-ashburn-va", "us-columbus-oh", "us-dallas-tx", "us-council-bluffs-ia"):
        assert rank[site] < rank["is-keflavik"]


def test_crypto_favors_icelandic_power_over_the_big_hubs(crypto):
    _, ranking = crypto
    rank = places(ranking)
    price = ranking.table.set_index("site_id")["effective_price_usd_per_mwh"]
    for site in ("us-ashburn-va", "de-frankfurt", "gb-london"):
        assert rank["is-keflavik"] < rank[site]
        assert price["is-keflavik"] < price[site]


def test_training_favors_quincy_over_ashburn_and_santa_clara(training):
    rank = places(training[1])
    assert rank["us-quincy-wa"] < rank["us-ashburn-va"]
    assert rank["us-quincy-wa"] < rank["us-santa-clara-ca"]


def test_the_weight_of_latency_falls_from_half_to_a_fifth_by_rack_power_alone(tables, cloud):
    share = {}
    for profile in ("cloud", "ai-inference"):
        weights = (
            ranked(tables, profile, users="USA")[1].weights.weight
            if profile != "cloud"
            else cloud[1].weights.weight
        )
        share[profile] = weights["latency"]
    assert 0.44 < share["cloud"] < 0.54
    assert 0.17 < share["ai-inference"] < 0.25


def test_network_hubs_reach_the_world_better_than_remote_towns(tables):
    _, ranking = ranked(tables, "cloud", allow_risk=True)
    reach = ranking.table.set_index("site_id")["reach_ratio"]
    for hub in ("us-ashburn-va", "us-new-york-ny"):
        assert reach[hub] > reach["se-boden"]
        assert reach[hub] > reach["uz-tashkent"]


def test_kuwait_leads_on_a_subsidized_tariff_only_and_needs_a_license(training):
    evaluation, ranking = training
    row = ranking.table.set_index("site_id").loc["kw-kuwait-city"]
    assert row["subsidized"]
    assert row["rank"] <= 5
    assert row["rank_without_subsidies"] > 100
    assert row["export_class"] == "licence_required"
    told = " ".join(ranking.notes)
    assert "kw-kuwait-city is" in told
    assert "at the cost of supply" in told
    assert "us-2026-01 2026-01-15" in told
    assert "Not legal advice" in told
    assert evaluation.sites.at["kw-kuwait-city", "export_rule"].startswith("us-2026-01 2026-01-15")


def test_subsidies_removed_in_the_scenario_give_the_printed_second_rank(tables, training):
    _, without = ranked(tables, "ai-training", subsidy_removed=True)
    row = training[1].table.set_index("site_id").loc["kw-kuwait-city"]
    second = places(without)["kw-kuwait-city"]
    others = training[1].table["subsidized"].sum()
    assert second == row["rank_without_subsidies"]
    assert others > 1


def test_every_site_has_a_price_or_is_listed_as_lacking_one(tables, training):
    evaluation, ranking = training
    gone = set(evaluation.excluded["site_id"])
    assert set(ranking.table["site_id"]) | gone == set(evaluation.sites["site_id"])
    priced = evaluation.facts.groupby("site_id")["price_usd_per_mwh"].first().notna()
    lacking = set(priced.index[~priced])
    assert lacking <= set(evaluation.excluded.loc[evaluation.excluded["rule"] == "no price", "site_id"])


def test_parts_of_score_and_cost_sum_exactly(cloud, training, crypto):
    from dcsite.physics.cost import COST_PARTS

    for _, ranking in (cloud, training, crypto):
        table = ranking.table
        parts = table[[f"score_{name}" for name in ranking.criteria]].sum(axis=1)
        assert (parts - table["score"]).abs().max() < 1e-9
        costed = table.dropna(subset=["cost_usd_per_mw_year"])
        total = costed[list(COST_PARTS)].sum(axis=1)
        assert (total / costed["cost_usd_per_mw_year"] - 1).abs().max() < 1e-12


def test_compare_waterfall_sums_to_the_cost_difference(tables):
    scenario = dcsite.load_scenario("scenarios/quincy_plano_iceland.toml")
    evaluation = dcsite.evaluate(scenario, tables)
    for workload in evaluation.workloads:
        comparison = dcsite.compare(evaluation, list(evaluation.sites["site_id"]), workload=workload)
        cost = comparison.table.set_index("site_id")["cost_usd_per_mw_year"]
        for site, total in (
            comparison.waterfall.groupby("site_id")["difference_usd_per_mw_year"].sum().items()
        ):
            assert total == pytest.approx(cost[site] - cost[comparison.winner], rel=1e-9, abs=1e-3)


def test_a_further_candidate_reorders_nobody(tables, training):
    scenario = dcsite.quick_scenario(profiles=["ai-training"])
    more = dcsite.evaluate(scenario, tables, points=["46.9,-96.8,Fargo"])
    order = [site for site in dcsite.rank(more).table["site_id"] if site in set(training[1].table["site_id"])]
    assert order == list(training[1].table["site_id"])


def test_the_flip_price_really_flips(tables):
    names = ["us-quincy-wa", "us-plano-tx"]
    scenario = dcsite.quick_scenario(profiles=["ai-training"], only=names)
    comparison = dcsite.compare(dcsite.evaluate(scenario, tables), names)
    flip = next(f for f in comparison.flips if f.criterion == "price" and f.site_id == "us-plano-tx")
    for factor, winner in ((1.002, "us-quincy-wa"), (0.998, "us-plano-tx")):
        raw = scenario.model_dump(exclude_unset=True)
        raw["sites"]["override"] = [{"id": "us-plano-tx", "price_usd_per_mwh": flip.needed * factor}]
        changed = dcsite.evaluate(type(scenario).model_validate(raw), tables)
        assert dcsite.rank(changed).table.at[0, "site_id"] == winner


@pytest.mark.parametrize(("it_mw", "above"), [(60, False), (400, True)])
def test_a_load_above_a_country_cap_is_excluded_from_its_ranking_and_a_smaller_one_is_not(
    tables, it_mw, above
):
    scenario = dcsite.quick_scenario(
        profiles=["ai-training"], it_mw=it_mw, only=["is-keflavik", "us-quincy-wa"], rules="us-2025-diffusion"
    )
    evaluation = dcsite.evaluate(scenario, tables)
    accelerators = it_mw * evaluation.profiles["ai-training"].accelerators_per_mw
    cap = evaluation.sites.set_index("site_id")["export_cap_accelerators"]
    assert bool(accelerators > cap["is-keflavik"]) is above
    assert cap.isna()["us-quincy-wa"]
    ranking = dcsite.rank(evaluation, tables=tables)
    barred = ranking.excluded[ranking.excluded["rule"] == "export rules"]
    assert list(barred["site_id"]) == (["is-keflavik"] if above else [])
    assert ("is-keflavik" in set(ranking.table["site_id"])) is not above
