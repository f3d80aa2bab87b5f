"""Broken scenarios: every fault of a file at once, in words that say what would be right; nothing written."""

import pytest

from dcsite.data.scenario_file import load_profiles, load_scenario
from dcsite.data.tables import load_tables
from dcsite.errors import DcsiteError

HEAD = "format = 1\n"
LOAD = '[[workloads]]\nname = "a"\nprofile = "cloud"\nit_mw = 10\n'

BROKEN = {
    "unknown_keys": HEAD
    + "max_site = 3\ncarbon_kg_per_mwh = 50\n"
    + LOAD
    + "itmw = 5\n[limits]\nmaxsites = 2\n",
    "wrong_types": HEAD + 'discount_rate = "high"\nhorizon_years = 2.5\n' + LOAD.replace("10", '"ten"'),
    "out_of_range": HEAD
    + "discount_rate = 3\nhorizon_years = 0\n"
    + LOAD.replace("10", "-4")
    + "coverage = 1.4\nmax_rtt_ms = 60\n",
    "no_workloads": HEAD + 'title = "empty"\n',
    "same_name_twice": HEAD + LOAD + LOAD,
    "coverage_without_limit": HEAD + LOAD + "coverage = 0.8\n",
    "block_above_load": HEAD + LOAD + "min_block_mw = 20\n",
    "required_and_excluded": HEAD
    + '[sites]\nrequire = ["us-quincy-wa"]\nexclude = ["us-quincy-wa"]\n'
    + LOAD,
    "limits_clash": HEAD + LOAD + "[limits]\nmin_sites = 4\nmax_sites = 2\n",
    "periods_out_of_order": HEAD + LOAD + "[[periods]]\nstart = 2030\n[[periods]]\nstart = 2028\n",
    "share_of_nobody": HEAD
    + LOAD
    + '[[limits.share]]\nworkload = "b"\nmax_share = 0.5\nwhere = { country = "USA" }\n',
    "unknown_profile": HEAD + LOAD.replace('"cloud"', '"clowd"'),
    "unknown_criterion": HEAD + LOAD + "[score]\nweights = { prise = 3.0 }\n",
    "not_toml": HEAD + "title = Quincy\n",
    "wrong_format": "format = 7\n" + LOAD,
    "not_finite": HEAD + "discount_rate = nan\n" + LOAD.replace("10", "inf"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_scenario_says_what_is_wrong_and_what_would_be_right(name, golden, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text(BROKEN[name], encoding="utf-8")
    with pytest.raises(DcsiteError) as caught:
        load_profiles(load_tables(), load_scenario("bad.toml"))
    assert caught.value.exit_code == 2
    golden(f"scenario_{name}.txt", f"{caught.value}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


def test_missing_binary_and_huge_files_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00title")
    (tmp_path / "huge.toml").write_bytes(b"#" * 4_000_001)
    (tmp_path / "scenario.toml").write_text(HEAD + LOAD, encoding="utf-8")
    for name, told in (
        ("binary.toml", "not UTF-8"),
        ("huge.toml", "too large"),
        ("scenaro.toml", "did you mean 'scenario.toml'?"),
        (".", "cannot be read"),
    ):
        with pytest.raises(DcsiteError, match=r".") as caught:
            load_scenario(name)
        assert told in str(caught.value)
