"""Files of every format, read back by another library than the one that wrote them."""

from __future__ import annotations

import builtins
import csv
import io
import json
import sqlite3
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.errors import MissingExtraError, UsageError
from dcsite.report.export import FORMATS, csv_text, json_schema, json_text, write_report
from dcsite.report.frames import as_report, frame_table, ranking_table, report_tables
from dcsite.report.plain import guard_text, needs_guard, unguard_text
from dcsite.scoring.comparing import compare_sites
from dcsite.scoring.ranking import rank
from report_fixture import MadeUpPlan, make_evaluation

EVALUATION = make_evaluation()
CLOUD = rank(EVALUATION, workload="cloud")
TRAINING = rank(EVALUATION, workload="training")
REPORT = as_report(
    [MadeUpPlan(), CLOUD, TRAINING, compare_sites(CLOUD, ["us-alder", "is-dagur"])], evaluation=EVALUATION
)
TABLE = ranking_table(CLOUD, EVALUATION.sites)


def test_csv_keeps_every_digit_and_leaves_missing_figures_empty(tmp_path):
    (path,) = write_report(CLOUD, tmp_path / "r.csv", evaluation=EVALUATION)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for column in ("score", "effective_price_usd_per_mwh", "pue", "cost_usd_per_mw_year"):
        assert [float(row[column]) for row in rows] == CLOUD.table[column].tolist()
    assert {row["margin_usd_per_mw_year"] for row in rows} == {""}


def test_csv_neutralizes_formulas_and_leaves_numbers_alone(tmp_path):
    (path,) = write_report(CLOUD, tmp_path / "r.csv", evaluation=EVALUATION)
    frame = pd.read_csv(path, keep_default_na=False)
    names = set(frame["name"])
    assert {"'=2+3", "'@Iroko"} <= names
    assert not any(name.startswith(("=", "+", "-", "@", "\t")) for name in names)
    assert frame["lat"].min() < 0


@given(st.text(max_size=20))
def test_guarded_text_never_begins_like_a_formula_and_comes_back(text):
    guarded = guard_text(text)
    assert unguard_text(guarded) == text
    assert not needs_guard(text) or guarded.startswith("'")


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_csv_reads_back_what_was_written(rows):
    table = frame_table(pd.DataFrame(rows, columns=["name", "x_usd"]))
    back = list(csv.reader(io.StringIO(csv_text(table), newline="")))
    assert [unguard_text(name) for name, _ in back[1:]] == [name for name, _ in rows]
    assert [float(x) for _, x in back[1:]] == [x for _, x in rows]


def test_json_follows_its_schema_with_full_precision(tmp_path):
    (path,) = write_report(REPORT, tmp_path / "r.json")
    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda word: pytest.fail(word))
    assert_schema(document, json_schema())
    rows = {
        row["site_id"]: row for row in document["tables"]["ranking"]["rows"] if row["workload"] == "cloud"
    }
    for _, row in CLOUD.table.iterrows():
        assert rows[row["site_id"]]["score"] == row["score"]
        assert rows[row["site_id"]]["margin_usd_per_mw_year"] is None
    assert document["schema"] == "dcsite.report/1"
    assert document["scenario"]["workloads"][0]["it_mw"] == 60
    assert document["plan"]["status"] == "optimal"


def assert_schema(value, schema, where="$"):
    """Check the part of JSON schema that the document's schema uses."""
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], where
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(isinstance(value, kinds[kind]) for kind in wanted), f"{where}: {value!r}"
    if isinstance(value, dict):
        for key in schema.get("required", ()):
            assert key in value, f"{where}.{key}"
        for key, entry in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if isinstance(inner, dict):
                assert_schema(entry, inner, f"{where}.{key}")
    if isinstance(value, list) and "items" in schema:
        for number, entry in enumerate(value):
            assert_schema(entry, schema["items"], f"{where}[{number}]")


def test_geojson_reads_back_with_longitude_first(tmp_path):
    import shapely

    (path,) = write_report(CLOUD, tmp_path / "r.geojson", evaluation=EVALUATION)
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    for feature, (_, row) in zip(features, TABLE.frame.iterrows(), strict=True):
        point = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert (point.y, point.x) == (row["lat"], row["lon"])
        assert feature["properties"]["score"] == row["score"]


def test_geopackage_reads_back_with_sqlite_and_gdal(tmp_path):
    import pyogrio

    (path,) = write_report(REPORT, tmp_path / "r.gpkg")
    layers = {str(name) for name, _ in pyogrio.list_layers(path)}
    assert layers == {"plan", "ranking_cloud", "ranking_training", "excluded"}
    assert pyogrio.read_info(path, layer="ranking_cloud")["crs"] == "EPSG:4326"
    connection = sqlite3.connect(path)
    try:
        query = 'SELECT site_id, score, name FROM "ranking_cloud" ORDER BY rank'
        rows = connection.execute(query).fetchall()
    finally:
        connection.close()
    assert [row[0] for row in rows] == CLOUD.table["site_id"].tolist()
    assert [row[1] for row in rows] == CLOUD.table["score"].tolist()
    assert "=2+3" in {row[2] for row in rows}


def test_geoparquet_reads_back_with_pyarrow(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    shapely = pytest.importorskip("shapely")
    (path,) = write_report(CLOUD, tmp_path / "r.parquet", evaluation=EVALUATION)
    table = parquet.read_table(path)
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["columns"]["geometry"]["crs"]["id"] == {"authority": "EPSG", "code": 4326}
    assert table["score"].to_pylist() == CLOUD.table["score"].tolist()
    points = shapely.from_wkb(np.array(table["geometry"].to_pylist(), dtype=object))
    assert shapely.get_y(points).tolist() == TABLE.frame["lat"].tolist()


def test_xlsx_reads_back_with_openpyxl(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("xlsxwriter")
    (path,) = write_report(REPORT, tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[0] == "about"
    assert {"plan", "ranking", "excluded", "sources", "assumptions"} <= set(book.sheetnames)
    sheet = book["ranking"]
    assert sheet.freeze_panes == "E2"
    assert sheet.auto_filter.ref.startswith("A1:")
    heads = [cell.comment.text.strip() for cell in sheet[1]]
    place = heads.index("score")
    ranking = report_tables(REPORT)["ranking"].frame
    scores = [sheet.cell(row, place + 1).value for row in range(2, sheet.max_row + 1)]
    assert scores == pytest.approx(ranking["score"].tolist(), rel=1e-14)
    price = heads.index("effective_price_usd_per_mwh")
    assert sheet.cell(2, price + 1).number_format == '#,##0.0" USD/MWh"'
    assert len(sheet.conditional_formatting) > 0
    for name in book.sheetnames:
        for row in book[name].iter_rows():
            for cell in row:
                assert cell.data_type != "f", f"{name}!{cell.coordinate} became a formula"
    name = heads.index("name")
    cells = {
        sheet.cell(row, name + 1).value: sheet.cell(row, name + 1) for row in range(2, sheet.max_row + 1)
    }
    assert cells["=2+3"].quotePrefix
    assert not cells["Birch"].quotePrefix


def test_markdown_tables_survive_hostile_names(tmp_path):
    (path,) = write_report(REPORT, tmp_path / "r.md")
    text = path.read_text(encoding="utf-8")
    assert "<img" not in text
    assert "</script>" not in text
    assert text.startswith("# A made-up world &lt;b&gt;&amp; co&lt;/b&gt;\n")
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        bars = {line.replace("\\|", "").count("|") for line in lines}
        assert len(bars) <= 1


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_result_gives_the_same_bytes(name, tmp_path):
    if name == "xlsx":
        pytest.importorskip("xlsxwriter")
    first = write_report(REPORT, tmp_path / "a", [name])
    second = write_report(REPORT, tmp_path / "b", [name])
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_exists_is_kept_unless_forced(name, tmp_path):
    path = tmp_path / f"r.{name}"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        write_report(REPORT, path)
    assert path.read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert write_report(REPORT, path, force=True)[0] == path
    assert path.read_bytes() != b"mine"
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_left_behind_when_writing_fails(tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError

    monkeypatch.setattr("dcsite.report.export.csv_text", fail)
    with pytest.raises(OSError):  # noqa: PT011
        write_report(REPORT, tmp_path / "r.csv")
    assert list(tmp_path.iterdir()) == []


def test_several_formats_go_into_a_folder_or_none_at_all(tmp_path):
    written = write_report(REPORT, tmp_path, "csv,md")
    assert [path.name for path in written] == ["report.csv", "report.md"]
    with pytest.raises(UsageError, match=r"report\.md exists"):
        write_report(REPORT, tmp_path, "json,md")
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("xlsx", "xlsxwriter", "report"), ("parquet", "pyarrow", "parquet")]
)
def test_a_missing_extra_is_one_sentence_with_its_repair(name, package, extra, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(module, *args, **kwargs):
        if module.split(".")[0] == package:
            raise ImportError(module)
        return real(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError) as caught:
        write_report(REPORT, tmp_path / f"r.{name}")
    assert f"pip install 'dcsite[{extra}]'" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "format_", "words"), [("r.docx", None, "suffix"), ("r.csv", "docx", "unknown format 'docx'")]
)
def test_an_unknown_format_names_the_known_ones(path, format_, words, tmp_path):
    with pytest.raises(UsageError, match=words) as caught:
        write_report(REPORT, tmp_path / path, format_)
    assert "geojson" in str(caught.value)


def test_a_result_without_places_is_refused_by_map_formats(tmp_path):
    with pytest.raises(UsageError, match="no places"):
        write_report(pd.DataFrame({"x": [1]}), tmp_path / "r.geojson")


def test_json_of_a_ranking_alone_needs_no_evaluation():
    document = json.loads(json_text(CLOUD))
    assert document["tables"]["ranking"]["rows"][0]["site_id"] == CLOUD.table["site_id"].iloc[0]
    assert "scenario" not in document


def test_a_title_given_by_hand_wins(tmp_path):
    (path,) = write_report(replace(REPORT, title=""), tmp_path / "r.md", title="Mine")
    assert path.read_text(encoding="utf-8").startswith("# Mine\n")
