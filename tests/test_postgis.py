"""Tables of a real PostgreSQL with PostGIS as source and sink; passwords are seen by nobody."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from dcsite.batch.cells import box_source, file_source
from dcsite.batch.executor import make_executor
from dcsite.batch.screen import screen
from dcsite.cli.app import app
from dcsite.data.postgis import connection
from dcsite.data.scenario_file import load_scenario
from dcsite.data.tables import load_tables
from dcsite.data.userfiles import load_sites
from dcsite.errors import DataError, DcsiteError, ScenarioError, UsageError
from dcsite.report.export import write_report
from dcsite.report.postgis import new_table
from dcsite.scoring.ranking import rank
from dcsite.spec.address import is_address, keep_password, read_address, without_password
from dcsite.study.evaluating import evaluate
from dcsite.study.quick import quick_scenario

SECRET = "Tr0ub4dor@3:x"
TYPED = "Tr0ub4dor%403%3Ax"
DROP = 'x_"; DROP TABLE sites; --'


def server_programs():
    found = shutil.which("pg_ctl")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        control = [
            *Path("/usr/share/postgresql").glob(f"{folder.parent.name}/extension/postgis.control"),
            *folder.parent.glob("share/**/extension/postgis.control"),
        ]
        if (folder / "initdb").is_file() and control:
            return folder
    return None


@pytest.fixture(scope="module")
def server():
    """A server of this test on the loopback interface; yields the start of its addresses."""
    pytest.importorskip("sqlalchemy", reason="the extra postgis is not installed")
    pytest.importorskip("psycopg", reason="the extra postgis is not installed")
    programs = server_programs()
    if programs is None:
        pytest.skip("PostgreSQL with PostGIS is not installed (Debian: postgresql, postgresql-postgis)")
    lead = []
    if os.geteuid() == 0:  # the server refuses to run as root
        if (
            shutil.which("runuser") is None
            or subprocess.run(["id", "postgres"], check=False, capture_output=True).returncode
        ):
            pytest.skip("as root the server needs runuser and the user postgres")
        lead = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="dcsite-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "password").write_text(SECRET)
        if lead:
            shutil.chown(folder, "postgres")
            shutil.chown(folder / "password", "postgres")

        def run(program, *options):
            subprocess.run(
                [*lead, str(programs / program), *options],
                check=True, cwd="/", timeout=60, stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"},
            )  # fmt: skip

        data = str(folder / "data")
        run(
            "initdb", "-D", data, "-U", "ann", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}",
            "-E", "UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        settings = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-D", data, "-w", "-t", "50", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            start = f"postgresql://ann:{TYPED}@127.0.0.1:{port}"
            for statement in ("CREATE DATABASE plain", "CREATE EXTENSION postgis"):
                command = [str(programs / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]
                environ = {**os.environ, "PGPASSWORD": SECRET, "PGOPTIONS": "-c client_min_messages=error"}
                where = ["-h", "127.0.0.1", "-p", str(port), "-U", "ann", "-d", "postgres"]
                subprocess.run([*command, *where], check=True, env=environ, timeout=60)
            yield start
        finally:
            run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


@pytest.fixture
def at(server):
    """Address of a table by its name, with the password."""
    return lambda table, more="": f"{server}/postgres?table={table}{more}"


@pytest.fixture
def sql(at):
    """Run a statement; rows if it gives any."""

    def run(statement):
        with connection(read_address(at("t")), write=True) as link:
            cursor = link.connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None

    return run


@pytest.fixture(scope="module")
def tables():
    return load_tables()


@pytest.fixture
def sites(sql):
    """A team's table of sites with points in a projected system."""
    sql("DROP TABLE IF EXISTS sites")
    sql(
        "CREATE TABLE sites (site_id text, name text, country_iso3 text, grid_mw numeric, x_team jsonb, "
        "place geometry(Point, 32611))"
    )
    sql(
        "INSERT INTO sites VALUES ('north-plot', 'North plot', 'USA', 150.5, '{\"owner\": \"Ann\"}', "
        "ST_Transform(ST_SetSRID(ST_MakePoint(-119.85, 47.23), 4326), 32611)), "
        "('south-plot', 'South plot', 'USA', NULL, NULL, "
        "ST_Transform(ST_SetSRID(ST_MakePoint(-118.2, 46.1), 4326), 32611))"
    )


@pytest.fixture(scope="module")
def ranking(tables):
    scenario = quick_scenario(profiles=["crypto"], only=["quincy", "keflavik", "plano"])
    evaluation = evaluate(scenario, tables)
    return evaluation, [rank(evaluation, workload="crypto")]


def program(*arguments, **more):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | more
    command = [sys.executable, "-m", "dcsite", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environ)


# --- addresses --------------------------------------------------------------------------------------------


def test_the_text_of_an_address_holds_no_password_and_reads_back():
    found = read_address("postgres://ann:p%40ss@db.example:5433/gis?table=plan.My%20sites&geometry=place")
    assert found.password == "p@ss"
    assert str(found) == "postgresql://ann@db.example:5433/gis?table=plan.My%20sites&geometry=place"
    assert read_address(str(found)) == found
    assert (found.schema, found.table) == ("plan", "My sites")
    assert "p@ss" not in repr(found)


def test_an_address_that_went_through_a_path_is_understood():
    assert read_address(Path("postgresql://ann@h/db?table=t")) == read_address(
        "postgresql://ann@h/db?table=t"
    )
    assert not is_address(Path("runs/postgresql"))


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:se/cret@host/db?table=t",
        "postgresql://ann:se#cret@host/db?table=t",
        "postgresql://ann:secret@host:port/db?table=t",
        "postgresql://ann:secret@host/db",
        "postgresql://ann:secret@host?table=t",
        "postgresql://ann:secret@host/db?table=t&password=secret",
        "postgresql://ann:secret@host/db?table=t&sslmode=secret",
        "postgresql+psycopg2://ann:secret@host/db?table=t",
        f"postgresql://ann:secret@host/db?table={'t' * 64}",
        "postgresql://ann:secret@[host/db?table=t",
    ],
)
def test_a_wrong_address_is_refused_without_its_password(text):
    with pytest.raises(ValueError, match=r"address|sslmode") as error:
        read_address(text)
    assert "cret" not in str(error.value)
    assert "cret" not in keep_password(text).replace("sslmode=secret", "").replace("password=secret", "")
    with pytest.raises(ScenarioError) as refused:
        quick_scenario(sites_file=text)
    assert "cret" not in str(refused.value)


def test_passwords_are_taken_out_of_any_text():
    text = "a postgresql://ann:s3:c@r@h/db?table=t b 'postgres:/bob:x@h/d' c postgresql://h/db?table=t"
    assert without_password(text) == (
        "a postgresql://ann@h/db?table=t b 'postgres:/bob@h/d' c postgresql://h/db?table=t"
    )


def test_a_scenario_never_holds_the_password(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        f'format = 1\n[sites]\nfile = "postgresql://ann:{TYPED}@h/db?table=t"\n'
        '[[workloads]]\nname = "a"\nprofile = "cloud"\nit_mw = 1\n'
    )
    scenario = load_scenario(path)
    assert scenario.sites.file == "postgresql://ann@h/db?table=t"
    assert read_address(scenario.sites.file).password == SECRET


def known_to_a_worker(shared, payload):
    return read_address(payload["address"]).password


def test_a_process_of_jobs_knows_the_password_that_its_tasks_do_not_carry():
    from dcsite.batch.executor import Task, Work

    plain = str(read_address("postgresql://ann:s3cret@worker.example/db?table=t"))
    outcomes = make_executor(2).run(Work(known_to_a_worker, {}), [Task("a", {"address": plain})])
    assert [outcome.value for outcome in outcomes] == ["s3cret"]


# --- reading ----------------------------------------------------------------------------------------------


def test_sites_of_a_table_are_those_of_the_same_rows_in_a_file(at, sites, tables, tmp_path):
    found = load_sites(at("sites"), tables)
    assert found["site_id"].tolist() == ["north-plot", "south-plot"]
    assert found["lat"].tolist() == pytest.approx([47.23, 46.1], abs=1e-7)
    assert found["lon"].tolist() == pytest.approx([-119.85, -118.2], abs=1e-7)
    assert found["grid_mw"].iloc[0] == 150.5
    assert pd.isna(found["grid_mw"].iloc[1])
    path = tmp_path / "sites.csv"
    path.write_text(
        "site_id,name,country_iso3,grid_mw,x_team,lat,lon\n"
        + "".join(
            f'{row.site_id},{row.name_},USA,{"" if pd.isna(row.grid_mw) else row.grid_mw},"{team}",'
            f"{row.lat!r},{row.lon!r}\n"
            for row, team in zip(
                found.rename(columns={"name": "name_"}).itertuples(),
                ['{""owner"": ""Ann""}', ""],
                strict=True,
            )
        )
    )
    pd.testing.assert_frame_equal(found, load_sites(path, tables))


def test_cells_of_a_table_are_read_for_a_screening(at, sites, tmp_path):
    source = file_source(Path(at("sites")), tmp_path / "cells")
    assert source.label.startswith("2 cells of postgresql://ann@")
    assert TYPED not in source.label
    assert np.load(tmp_path / "cells" / "names.npy").tolist() == ["north-plot", "south-plot"]
    assert np.load(tmp_path / "cells" / "lat.npy") == pytest.approx([47.23, 46.1], abs=1e-7)


def test_a_view_a_schema_and_plain_coordinates_are_read(at, sql, tables):
    sql('DROP SCHEMA IF EXISTS "My plans" CASCADE')
    sql('CREATE SCHEMA "My plans"')
    sql("CREATE TABLE \"My plans\".raw AS SELECT 'Plot' AS name, 47.2 AS lat, -119.8 AS lon, 7 AS serial")
    sql('CREATE VIEW "My plans"."Sites" AS SELECT name, lat, lon FROM "My plans".raw')
    assert load_sites(at("My%20plans.Sites"), tables)["name"].tolist() == ["Plot"]
    with pytest.raises(DataError, match="unknown column 'serial'"):
        load_sites(at("My%20plans.raw"), tables)


def test_geographies_polygons_and_a_choice_of_geometry_are_read(at, sql, tables):
    sql("DROP TABLE IF EXISTS fields")
    sql(
        "CREATE TABLE fields AS SELECT 'Field' AS name, "
        "ST_MakeEnvelope(-119.9, 47.2, -119.8, 47.3, 4326)::geography AS outline, "
        "ST_SetSRID(ST_MakePoint(10, 50), 4326) AS office"
    )
    with pytest.raises(DataError, match=r"several columns of places \(outline, office\)"):
        load_sites(at("fields"), tables)
    found = load_sites(at("fields", "&geometry=outline"), tables)
    assert 47.2 < found["lat"].iloc[0] < 47.3
    assert found["land_m2"].iloc[0] == pytest.approx(84_300_000, rel=0.01)
    assert load_sites(at("fields", "&geometry=office"), tables)["lat"].iloc[0] == 50
    with pytest.raises(DataError, match="no column of places is named 'gate'"):
        load_sites(at("fields", "&geometry=gate"), tables)


def test_faults_of_a_table_are_told_row_by_row(at, sql, tables):
    sql("DROP TABLE IF EXISTS bad")
    sql("CREATE TABLE bad (site_id text, lat text, lon float8)")
    with pytest.raises(DataError, match="no rows"):
        load_sites(at("bad"), tables)
    sql("INSERT INTO bad VALUES ('a', '95', 1), ('a', 'north', 'NaN')")
    with pytest.raises(DataError) as error:
        load_sites(at("bad"), tables)
    told = str(error.value)
    assert "'95' is outside -90 to 90" in told
    assert "'north' is not a number" in told
    assert "'NaN' is not a finite number" in told
    assert "'a' stands at row 1 already" in told


def test_rows_and_cells_without_bound_are_cut_by_the_server(at, sql, tables, monkeypatch):
    sql("DROP TABLE IF EXISTS big")
    sql("CREATE TABLE big AS SELECT 1.0 AS lat, 2.0 AS lon, repeat('x', 5000000) AS x_note")
    with pytest.raises(DataError, match="has 10,001 characters"):
        load_sites(at("big"), tables)
    sql("DROP TABLE big")
    sql("CREATE TABLE big AS SELECT 1.0 AS lat, 2.0 AS lon FROM generate_series(1, 11)")
    monkeypatch.setattr("dcsite.data.userfiles.MAX_ROWS", 10)
    with pytest.raises(DataError, match="more than 10 rows"):
        load_sites(at("big"), tables)


def test_names_of_tables_and_columns_are_quoted_and_run_nothing(at, sql, sites, tables):
    with pytest.raises(DataError, match="no such table"):
        load_sites(at("sites%3B%20DROP%20TABLE%20sites%3B%20--"), tables)
    with pytest.raises(DataError, match="no such table"):
        load_sites(at("sites%22%3B%20DROP%20TABLE%20sites%3B%20--"), tables)
    with pytest.raises(DataError, match="no column of places is named"):
        load_sites(at("sites", "&geometry=place%22%29%3B%20DROP%20TABLE%20sites%3B%20--"), tables)
    odd = ('he said "hi"; DROP TABLE sites', DROP, "x_100%", "x_a:b", "x_%(name)s")
    quoted = ['"' + name.replace('"', '""') + '"' for name in odd]
    sql(f"DROP TABLE IF EXISTS {quoted[0]}")
    sql(
        f"CREATE TABLE {quoted[0]} (lat float8, lon float8, {', '.join(f'{name} text' for name in quoted[1:])})"
    )
    sql(f"INSERT INTO {quoted[0]} VALUES (1, 2, 'a', 'b', 'c', 'd')")
    found = load_sites(at("he%20said%20%22hi%22%3B%20DROP%20TABLE%20sites"), tables)
    assert found[list(odd[1:])].iloc[0].tolist() == ["a", "b", "c", "d"]
    assert sql("SELECT count(*) FROM sites") == [(2,)]


def test_a_wrong_password_server_database_or_table_is_one_message_without_the_password(server, sites, tables):
    wrong = server.replace(TYPED, "Wr0ng-one")
    cases = {
        f"{wrong}/postgres?table=sites": "password authentication failed",
        f"{server}/nowhere?table=sites": 'database "nowhere" does not exist',
        f"{server.rpartition(':')[0]}:1/postgres?table=sites": "connection",
        f"{server}/postgres?table=site": "did you mean 'sites'",
    }
    for text, told in cases.items():
        with pytest.raises(DataError) as error:
            load_sites(text, tables)
        assert told in str(error.value)
        assert SECRET not in str(error.value)
        assert TYPED not in str(error.value)
        assert "Wr0ng" not in str(error.value)
        assert error.value.__cause__ is None
    read_address(f"{server}/postgres?table=sites")


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch, tables):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(DcsiteError, match="not installed") as error:
        load_sites("postgresql://h/db?table=t", tables)
    assert "dcsite[postgis]" in str(error.value)


# --- writing ----------------------------------------------------------------------------------------------


def test_a_ranking_is_written_with_its_points_and_types(at, sql, ranking):
    evaluation, rankings = ranking
    sql("DROP TABLE IF EXISTS ranked")
    assert write_report(rankings, at("ranked"), evaluation=evaluation) == []
    rows = sql(
        "SELECT rank, site_id, score, ST_Y(geometry), lat, ST_SRID(geometry) FROM ranked ORDER BY rank"
    )
    frame = rankings[0].table
    assert [row[1] for row in rows] == frame["site_id"].tolist()
    assert [row[2] for row in rows] == frame["score"].tolist()
    assert all(row[3] == row[4] and row[5] == 4326 for row in rows)
    kinds = dict(
        sql("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'ranked'")
    )
    assert kinds["rank"] == "bigint"
    assert kinds["score"] == "double precision"
    assert kinds["site_id"] == "text"


def test_a_plan_is_written_by_the_command_in_this_process_too(at, sql, sites, tmp_path, monkeypatch):
    sql("DROP TABLE IF EXISTS planned")
    path = tmp_path / "plan.toml"
    path.write_text(
        f'format = 1\n[sites]\ncatalog = "none"\nfile = "{at("sites")}"\n'
        '[[workloads]]\nname = "train"\nprofile = "hpc-batch"\nit_mw = 20\n'
    )
    done = CliRunner().invoke(app, ["optimize", str(path), "--out", at("planned")])
    assert done.exit_code == 0, done.exception
    rows = sql("SELECT site_id, it_mw, ST_Y(geometry) FROM planned")
    assert {row[0] for row in rows} <= {"north-plot", "south-plot"}
    assert sum(row[1] for row in rows) == pytest.approx(20)
    assert all(row[2] is not None for row in rows)
    with pytest.raises(UsageError, match="planned exists"):
        CliRunner().invoke(app, ["optimize", str(path), "--out", at("planned")], catch_exceptions=False)


def test_a_table_that_exists_is_kept_and_only_one_of_ours_is_replaced(at, sql, sites, ranking):
    evaluation, rankings = ranking
    sql("DROP TABLE IF EXISTS ranked")
    write_report(rankings, at("ranked"), evaluation=evaluation)
    with pytest.raises(UsageError, match="ranked exists"):
        write_report(rankings, at("ranked"), evaluation=evaluation)
    write_report(rankings, at("ranked"), evaluation=evaluation, force=True)
    assert sql("SELECT count(*) FROM ranked") == [(len(rankings[0].table),)]
    with pytest.raises(UsageError, match="was not written by dcsite"):
        write_report(rankings, at("sites"), evaluation=evaluation, force=True)
    assert sql("SELECT count(*) FROM sites") == [(2,)]


def test_a_write_that_fails_in_the_middle_leaves_everything_as_it_was(at, sql):
    sql("DROP TABLE IF EXISTS kept")
    address, columns = read_address(at("kept")), [("name", "text"), ("count", "integer")]
    good = pd.DataFrame({"name": ["a"], "count": [1], "lat": [1.0], "lon": [2.0]})
    with new_table(address, columns, force=False) as append:
        assert append(good) == 1

    def begin_and_fail(part):
        with new_table(address, columns, force=True) as append:
            append(good)
            append(part)

    with pytest.raises(DataError, match="out of range"):
        begin_and_fail(good.assign(count=2**70))
    with pytest.raises(KeyError):
        begin_and_fail(good.drop(columns="count"))
    assert sql("SELECT name, count, ST_X(geometry) FROM kept") == [("a", 1, 2.0)]


def test_names_and_values_that_are_written_run_nothing(at, sql, sites):
    sql('DROP TABLE IF EXISTS "x_""; DROP TABLE sites; --"')
    table = "x_%22%3B%20DROP%20TABLE%20sites%3B%20--"
    values = ["'); DROP TABLE sites; --", "\\.", "", None]
    frame = pd.DataFrame({DROP: values, "lat": [1.0, 2.0, float("nan"), 3.0], "lon": [0.0] * 4})
    with new_table(read_address(at(table)), [(DROP, "text")], force=False) as append:
        append(frame)
    quoted = '"' + DROP.replace('"', '""') + '"'
    rows = sql(f"SELECT {quoted}, geometry IS NULL FROM {quoted}")
    assert rows == list(zip(values, [False, False, True, False], strict=True))
    assert sql("SELECT count(*) FROM sites") == [(2,)]


def test_a_database_without_postgis_a_missing_schema_or_permission_is_told(server, at, sql, ranking):
    evaluation, rankings = ranking
    with pytest.raises(DataError, match="has no PostGIS"):
        write_report(rankings, f"{server}/plain?table=ranked", evaluation=evaluation)
    with pytest.raises(DataError, match="no schema 'nowhere'"):
        write_report(rankings, at("nowhere.ranked"), evaluation=evaluation)
    sql("DROP ROLE IF EXISTS guest")
    sql("CREATE ROLE guest LOGIN PASSWORD 'gu3st-word'")
    guest = at("ranked_by_guest").replace(f"ann:{TYPED}", "guest:gu3st-word")
    with pytest.raises(DataError, match="permission denied") as error:
        write_report(rankings, guest, evaluation=evaluation)
    assert "gu3st" not in str(error.value)


@pytest.mark.slow
def test_screened_cells_are_written_as_to_a_file(at, sql, tmp_path, monkeypatch):
    monkeypatch.setenv("DCSITE_CACHE", str(tmp_path / "cache"))
    sql("DROP TABLE IF EXISTS cells")
    scenario, source = quick_scenario(profiles=["crypto"]), box_source("47,-120,47.5,-119.5", 0.1)
    screen(scenario, source, cells_out=Path(at("cells")))
    screen(scenario, source, cells_out=tmp_path / "cells.csv")
    expected = pd.read_csv(tmp_path / "cells.csv")
    rows = sql("SELECT cell, score, ST_X(geometry) FROM cells")
    assert [row[0] for row in rows] == expected["cell"].tolist()
    assert [row[1] for row in rows] == expected["score"].tolist()
    assert [row[2] for row in rows] == expected["lon"].tolist()
    with pytest.raises(UsageError, match="exists"):
        screen(scenario, source, cells_out=Path(at("cells")))


# --- the program ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_commands_read_and_write_a_database_and_print_the_password_nowhere(at, sql, sites, tmp_path):
    sql("DROP TABLE IF EXISTS ranked, compared")
    runs = [
        program("rank", "--profile", "crypto", "--sites", at("sites"), "--where", "country=USA", "--out", at("ranked")),
        program("compare", "north-plot", "south-plot", "--profile", "crypto", "--sites", at("sites"), f"--out={at('compared')}"),
    ]  # fmt: skip
    path = tmp_path / "plan.toml"
    path.write_text(
        f'format = 1\n[sites]\ncatalog = "none"\nfile = "{at("sites")}"\n'
        '[[workloads]]\nname = "mine"\nprofile = "crypto"\nit_mw = 20\n'
    )
    runs.append(program("optimize", str(path), "--out", str(tmp_path / "run")))
    for run in runs:
        assert run.returncode == 0, run.stderr
    written = [file.read_bytes() for file in sorted((tmp_path / "run").rglob("*")) if file.is_file()]
    assert len(written) > 5
    for text in (*(run.stdout + run.stderr for run in runs), *(data.decode("utf-8") for data in written)):
        assert SECRET not in text
        assert TYPED not in text
    assert "wrote 2 rows to postgresql://ann@127.0.0.1" in runs[1].stderr
    assert sql("SELECT site_id FROM ranked WHERE site_id = 'north-plot'") == [("north-plot",)]


@pytest.mark.slow
def test_no_fault_shows_the_password_not_even_with_a_traceback(at, server):
    for arguments in (
        ("rank", "--sites", f"{server}/postgres?table=missing"),
        ("rank", at("sites")),
        ("profiles", "list", "--out", at("profiles")),
    ):
        run = program(*arguments, DCSITE_DEBUG="1")
        assert run.returncode == 2, run.stderr
        assert SECRET not in run.stdout + run.stderr
        assert TYPED not in run.stdout + run.stderr
