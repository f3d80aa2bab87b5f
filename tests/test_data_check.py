"""The check finds each kind of fault in a user's tables, and names file, line, column and value."""

import shutil

import pytest

from dcsite.data import check
from dcsite.data.catalog import DataRoot
from dcsite.data.tables import Tables, load_tables

SHIPPED = load_tables()


def changed(tmp_path, **changes):
    """The faults that changed copies of shipped tables bring, beyond those of the tables themselves."""
    for table, change in changes.items():
        source = SHIPPED.path(table.replace("__", "-"))
        target = tmp_path / source.relative_to(SHIPPED.shipped.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        lines = source.read_text(encoding="utf-8").splitlines()
        target.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")
    tables = Tables(SHIPPED.shipped, DataRoot(tmp_path, "--data-dir"))
    same = [
        name
        for name, path in tables.paths().items()
        if SHIPPED.has(name) and path == SHIPPED.path(name) and path.suffix == ".csv"
    ]
    tables._frames |= {name: SHIPPED.frame(name) for name in same}
    faults, _ = check.check_tables(tables)
    return [str(fault) for fault in faults]


def set_cell(lines, line, column, value):
    """Lines with one cell changed (the line has no quoted cell before it)."""
    cells = lines[line - 1].split(",")
    cells[lines[0].split(",").index(column)] = value
    return [*lines[: line - 1], ",".join(cells), *lines[line:]]


CASES = [
    ("fx", 3, "usd_per_unit", "-1", "grid_prices/fx.csv:3: usd_per_unit '-1' is outside 0 to 10"),
    ("fx", 4, "quality", "good", "grid_prices/fx.csv:4: quality 'good' is none of measured"),
    (
        "fx",
        5,
        "source_id",
        "nobody",
        "grid_prices/fx.csv:5: source_id 'nobody' is not in grid_prices/sources.csv",
    ),
    (
        "zones",
        3,
        "parent_zone_id",
        "AE-DU",
        "grid_prices/zones.csv:3: parent_zone_id 'AE-DU' leads in a circle",
    ),
    (
        "zones",
        4,
        "country_iso3",
        "XYZ",
        "grid_prices/zones.csv:4: country_iso3 'XYZ' is no country of countries.csv",
    ),
    (
        "zones",
        5,
        "carbon_zone_id",
        "QQ",
        "grid_prices/zones.csv:5: carbon_zone_id 'QQ' is no zone of zones.csv",
    ),
    ("zones", 6, "level", "planet", "grid_prices/zones.csv:6: level 'planet' is none of utility"),
    ("links", 3, "from_hub_id", "h9999", "network/links.csv:3: from_hub_id 'h9999' is no hub of hubs.csv"),
    ("links", 4, "gc_km", "-3", "network/links.csv:4: gc_km '-3' is outside 0 to 20040"),
    ("crypto", 3, "country_iso3", "AFG", "policy/crypto.csv:3: country_iso3 'AFG' stands twice"),
    (
        "us__2026__01",
        3,
        "class",
        "perhaps",
        "policy/rules/us-2026-01.csv:3: class 'perhaps' is no class of verdict",
    ),
    (
        "territories",
        5,
        "area_id",
        "xx-nowhere",
        "grid_prices/territories.csv:5: area_id 'xx-nowhere' is no site",
    ),
    (
        "duration",
        12,
        "price_native_per_mwh",
        "-400",
        "grid_prices/duration.csv:12: price_native_per_mwh '-400' falls",
    ),
    (
        "duration",
        50,
        "cumulative_mean_native_per_mwh",
        "70",
        "grid_prices/duration.csv:29: cumulative_mean_native",
    ),
    ("blocks", 3, "to_ratio", "0.9", "grid_prices/blocks.csv:2: to_ratio"),
    (
        "retail",
        2,
        "price_usd_per_mwh",
        "1.5",
        "grid_prices/retail.csv:2: price_usd_per_mwh '1.5' is not native amount",
    ),
    (
        "reliability",
        2,
        "saidi_h_per_year",
        "900",
        "grid_prices/reliability.csv:2: saidi_h_per_year '900' is outside",
    ),
    ("carbon", 2, "source_id", "@odbl", "grid_prices/carbon.csv:2: source_id"),
    ("water_stress", 2, "category", "2.5", "regions/water_stress.csv:2: category '2.5' is no class"),
    (
        "hazards_us_states",
        2,
        "fema_loss_usd_per_musd",
        "9",
        "regions/hazards_us_states.csv:2: fema_loss_usd_per_musd",
    ),
]


@pytest.mark.slow
def test_every_wrong_cell_is_named(tmp_path):
    shared = SHIPPED.frame("carbon_odbl")["source_id"].iloc[0]
    by_table = {}
    for table, line, column, value, _ in CASES:
        by_table.setdefault(table, []).append((line, column, value.replace("@odbl", shared)))

    def change_of(cells):
        def change(lines):
            for line, column, value in cells:
                lines = set_cell(lines, line, column, value)
            return lines

        return change

    faults = changed(tmp_path, **{table: change_of(cells) for table, cells in by_table.items()})
    missed = [told for *_, told in CASES if not any(fault.startswith(told) for fault in faults)]
    assert not missed, faults


@pytest.mark.slow
def test_tables_with_other_columns_or_forbidden_rows_are_named(tmp_path):
    words = ("RIPE Atlas", "WonderNetwork pings", "im3_facilities_25km")
    faults = changed(
        tmp_path,
        last_mile=lambda lines: [*lines, *(f"{word},0,1,last-mile,2021,unverified" for word in words)],
        crypto=lambda lines: [*lines[:-1], lines[-1].rsplit(",", 1)[0]],
        residency=lambda lines: [lines[0].replace("quality", "goodness"), *lines[1:]],
        connection=lambda lines: [f"{lines[0]},extra", *(f"{text},1" for text in lines[1:])],
    )
    text = "\n".join(faults)
    assert text.count("may not be passed on") == 3
    assert "cells, expected 6" in text
    assert "policy/residency.csv:1: header lacks column 'quality'" in text
    assert "grid_prices/connection.csv:1: header has unknown column 'extra'" in text


@pytest.mark.slow
def test_a_file_that_nobody_would_read_is_named(tmp_path):
    for name in ("policy/crypo.csv", "policy/rules/house.csv", "regions/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("country_iso3,class\nISL,perhaps\n")
    text = "\n".join(changed(tmp_path))
    assert "policy/crypo.csv: replaces no shipped file: did you mean crypto.csv?" in text
    assert "regions/notes.txt: replaces no shipped file" in text
    assert "policy/rules/house.csv:2: class 'perhaps' is no class of verdict" in text


@pytest.mark.slow
def test_a_changed_or_lost_or_added_shipped_file_is_named(tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(SHIPPED.shipped.path, copy)
    (copy / "policy" / "crypto.csv").write_text((copy / "policy" / "crypto.csv").read_text() + "\n")
    (copy / "network" / "last_mile.csv").unlink()
    (copy / "regions" / "stray.csv").write_text("a\n1\n")
    faults, _ = check.check_tables(Tables(DataRoot(copy, "test")))
    told = [str(fault) for fault in faults]
    assert any(text.startswith("policy/crypto.csv: differs from its manifest") for text in told)
    assert any(text.startswith("network/last_mile.csv: is missing") for text in told)
    assert any(text.startswith("regions/stray.csv: is in no manifest") for text in told)


def test_words_that_only_look_forbidden_pass():
    assert check.FORBIDDEN.search("a striped tripe of overripened fruit") is None
    assert check.FORBIDDEN.search("RIPE") is not None


def test_faults_become_a_frame():
    frame = check.faults_frame([check.Fault("a.csv", 2, "b", "c", "is wrong")])
    assert frame.to_dict("records") == [
        {"file": "a.csv", "line": 2, "column": "b", "value": "c", "fault": "is wrong"}
    ]
