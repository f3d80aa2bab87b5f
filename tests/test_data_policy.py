"""Export verdicts follow from country groups, the worse of site and headquarters holds, dates stand beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.data import policy
from dcsite.data.tables import load_tables
from dcsite.errors import DataError, UsageError

TABLES = load_tables()
RULES = TABLES.frame("us-2026-01").set_index("country_iso3")
ALL = tuple(RULES.index)
LICENSED = [
    "ARE",
    "ARM",
    "AZE",
    "BHR",
    "EGY",
    "GEO",
    "JOR",
    "KAZ",
    "KGZ",
    "KHM",
    "KWT",
    "LAO",
    "MDA",
    "MNG",
    "OMN",
    "PAK",
    "QAT",
    "SAU",
    "TJK",
    "TKM",
    "UZB",
    "VNM",
    "YEM",
]
CHINA = ("CHN", "HKG", "MAC")


def classes(**options):
    frame = policy.verdicts(TABLES, ALL, **options)
    return dict(zip(frame["country_iso3"], frame["class"], strict=True))


def test_verdicts_of_known_countries():
    made = classes()
    for code in ("KWT", "ARE", "SAU", "KAZ"):
        assert made[code] == "licence_required"
    for code in ("ISL", "SGP", "ZAF", "MYS", "PRY", "BTN", "JPN", "DEU"):
        assert made[code] == "no_country_licence"
    assert made["USA"] == "domestic"
    assert [made[code] for code in CHINA] == ["case_by_case_up_to_h200_class_else_denied"] * 3


def test_class_counts():
    made = list(classes().values())
    assert [made.count(name) for name in policy.CLASSES[1:]] == [1, 182, 23, 3, 21]
    assert sorted(code for code, name in classes().items() if name == "licence_required") == LICENSED


def test_the_class_follows_from_the_country_groups():
    """The rule written out again, with its exceptions by name: the USA, and China with Hong Kong and Macau."""
    for code, row in RULES.iterrows():
        groups = set(row["groups"].split())
        if code == "USA":
            expected = "domestic"
        elif code in CHINA:
            expected = "case_by_case_up_to_h200_class_else_denied"
        elif "D:5" in groups or "E:1" in groups or "E:2" in groups:
            expected = "denied"
        elif ("D:1" in groups or "D:4" in groups) and not ("A:5" in groups or "A:6" in groups):
            expected = "licence_required"
        else:
            expected = "no_country_licence"
        assert row["class"] == expected, code


def test_the_rules_of_2023_differ_in_china_macau_and_cambodia_only():
    now, then = classes(), classes(rules="us-2023-10")
    assert {code for code in now if now[code] != then[code]} == {*CHINA, "KHM"}
    assert {then[code] for code in (*CHINA, "KHM")} == {"denied"}


def test_an_operator_from_an_embargoed_country_is_denied_in_iceland():
    assert classes(operator_hq="RUS")["ISL"] == "denied"
    assert classes(operator_hq="Russian Federation")["USA"] == "denied"


def test_an_operator_from_china_is_treated_as_china_everywhere_and_denied_where_that_is_worse():
    made = classes(operator_hq="MAC")
    assert made["ISL"] == "case_by_case_up_to_h200_class_else_denied"
    assert made["RUS"] == "denied"


@pytest.mark.parametrize("hq", ["USA", "ISL", "ARE", "KAZ"])
def test_other_headquarters_change_nothing(hq):
    assert classes(operator_hq=hq) == classes()


def test_no_rules_lift_everything():
    assert set(classes(rules="none", operator_hq="RUS").values()) == {"none"}


@given(
    hq=st.sampled_from(ALL), site=st.sampled_from(ALL), rules=st.sampled_from(["us-2023-10", "us-2026-01"])
)
def test_headquarters_never_make_a_verdict_milder(hq, site, rules):
    severity = policy.CLASSES.index
    home = policy.verdicts(TABLES, [site], rules=rules)["class"].iloc[0]
    made = policy.verdicts(TABLES, [site], rules=rules, operator_hq=hq)["class"].iloc[0]
    assert severity(made) >= severity(home)


def test_the_diffusion_rule_caps_iceland_and_names_the_cap():
    below = policy.verdicts(TABLES, ["ISL"], rules="us-2025-diffusion", accelerators=20_000).iloc[0]
    above = policy.verdicts(TABLES, ["ISL"], rules="us-2025-diffusion", accelerators=60_000).iloc[0]
    assert below["class"] == "licence_required"
    assert above["class"] == "denied"
    assert "50,000" in below["reason"]
    assert "60,000 accelerators are above the cap of about 50,000" in above["reason"]


def test_the_diffusion_rule_leaves_allies_alone_and_says_it_was_never_enforced():
    made = policy.verdicts(TABLES, ["FRA", "JPN"], rules="us-2025-diffusion", accelerators=1e9)
    assert set(made["class"]) == {"no_country_licence"}
    assert "never enforced" in policy.rules_banner(TABLES, "us-2025-diffusion")
    tiers = TABLES.frame("us-2025-diffusion")["tier"]
    assert (tiers == 1).sum() == 18


@pytest.mark.parametrize("rules", ["us-2023-10", "us-2025-diffusion", "us-2026-01"])
def test_every_verdict_has_rule_dates_and_quality(rules):
    made = policy.verdicts(TABLES, ALL, rules=rules)
    assert made["rule_date"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()
    assert made["list_date"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()
    assert (made["rule_set"] == rules).all()
    assert (made["quality"] != "").all()
    assert (made["reason"] != "").all()


def test_a_country_outside_the_list_has_no_verdict_and_says_so():
    assert len(policy.verdicts(TABLES, ["REU"])) == 0
    told = policy.eligibility(TABLES, countries=["REU"]).iloc[0]
    assert (told["verdict"], told["class"]) == ("not in the list", "")


def test_an_unknown_rule_set_suggests_the_nearest():
    with pytest.raises(UsageError, match="us-2026-01"):
        policy.verdicts(TABLES, ["ISL"], rules="us-2026-1")


def test_a_rule_set_of_ones_own(tmp_path):
    folder = tmp_path / "policy" / "rules"
    folder.mkdir(parents=True)
    (folder / "house-rules.csv").write_text("country_iso3,class,valid_from\nISL,denied,2026-11-01\n")
    tables = load_tables(tmp_path)
    made = policy.verdicts(tables, ["ISL", "FRA"], rules="house-rules")
    assert made[["country_iso3", "class", "rule_date"]].to_numpy().tolist() == [
        ["ISL", "denied", "2026-11-01"]
    ]
    assert "house-rules" in set(policy.rule_sets(tables)["rule_set"])


def test_a_rule_set_of_ones_own_with_faults_lists_them(tmp_path):
    folder = tmp_path / "policy" / "rules"
    folder.mkdir(parents=True)
    (folder / "house-rules.csv").write_text("country_iso3,class\nISL,forbidden\nISL,denied\n")
    with pytest.raises(DataError, match=r"(?s)line 2, class.*line 3, country_iso3"):
        policy.verdicts(load_tables(tmp_path), ["ISL"], rules="house-rules")


def test_only_plain_bans_count_as_bans():
    bans = policy.crypto_bans(TABLES).set_index("country_iso3")
    assert len(bans) == 20
    assert set(bans.index[bans["banned"]]) == {
        "AFG",
        "AGO",
        "BGD",
        "CHN",
        "DZA",
        "EGY",
        "KWT",
        "NPL",
        "QAT",
        "XKX",
    }
    assert bans.loc["KWT", "quality"] == "unverified"


def test_residency_covers_58_countries_and_hard_rules_are_rare():
    rows = policy.residency(TABLES)
    assert len(rows) == 58
    assert set(rows.loc[rows["class"].str.startswith("hard"), "country_iso3"]) == {"RUS", "CHN"}


def test_groups_of_countries():
    assert len(policy.members("eu")) == 27
    assert set(policy.members("EEA")) - set(policy.members("EU")) == {"ISL", "LIE", "NOR"}
    with pytest.raises(UsageError, match="EEA"):
        policy.members("EFTA")


def test_members_of_groups_are_countries():
    known = set(TABLES.frame("countries")["country_iso3"])
    assert {code for group in policy.GROUPS for code in policy.members(group)} <= known


def test_events_of_a_country_include_those_of_its_groups():
    texts = " ".join(policy.events(TABLES, "DEU")["event"])
    assert "GDPR" in texts
    assert "Malaysia" not in texts
    assert "Malaysia requires a permit" in " ".join(policy.events(TABLES, "MYS")["event"])
