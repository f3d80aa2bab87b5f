"""Tables of PostgreSQL with PostGIS: opens the door to a database and reads a user's sites from it.

Names are quoted, values are bound, the password comes from :mod:`dcsite.spec.address`, and what the server
says reaches a reader as one error of ours.
"""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from dcsite.errors import DataError, MissingExtraError, UsageError
from dcsite.spec.address import Address, read_address, without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

EXTRA = "postgis"
CONNECT_TIMEOUT_S = 10
GEOMETRY_TYPES = ("geometry", "geography")


def address_of(text: object) -> Address:
    """Read an address, as an error of ours if it is none.

    Raises
    ------
    UsageError
        With what is wrong, never with the password.
    """
    try:
        return read_address(text)
    except ValueError as error:
        message = f"database address: {error}"
        raise UsageError(message) from None


@contextmanager
def connection(address: Address, *, write: bool = False) -> Iterator[Connection]:
    """Connect in one transaction: all of it or, after an error, nothing.

    Raises
    ------
    MissingExtraError
        Without SQLAlchemy and psycopg.
    DataError
        With what the server says.
    """
    try:
        import psycopg
        import sqlalchemy
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        feature = "a table of a database"
        raise MissingExtraError(feature, EXTRA) from None
    query = {"host": address.host} if address.host.startswith("/") else {}
    if address.sslmode:
        query["sslmode"] = address.sslmode
    url = sqlalchemy.URL.create(
        "postgresql+psycopg",
        username=address.user or None,
        password=address.password,
        host=None if address.host.startswith("/") else address.host or None,
        port=address.port,
        database=address.database,
        query=query,
    )
    engine = sqlalchemy.create_engine(
        url,
        hide_parameters=True,
        poolclass=sqlalchemy.NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "dcsite"},
    )
    try:
        with engine.connect() as opened:
            kept = opened if write else opened.execution_options(postgresql_readonly=True)
            with kept.begin():
                yield kept
    except (SQLAlchemyError, psycopg.Error) as error:
        _stop(address, error)
    finally:
        engine.dispose()


def _stop(address: Address, error: Exception) -> NoReturn:
    """One line of what the server said."""
    told = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    secret = address.password
    line = without_password(" ".join(told.split()))
    if secret:
        line = line.replace(secret, "***")
    message = f"{address}: {line[:300]}"
    hint = ""
    if "password" in line or "authentication" in line:
        hint = "the password is taken from the address, from PGPASSWORD or from ~/.pgpass"
    elif "connection" in line:
        hint = "is the server there, and is the address right?"
    raise DataError(message, hint=hint) from None


def columns_of(link: Connection, address: Address) -> dict[str, str]:
    """Columns of the table (or view) of an address with their types, in order; empty if there is none."""
    from sqlalchemy import text

    rows = link.execute(
        text(
            "SELECT a.attname, t.typname FROM pg_catalog.pg_attribute a "
            "JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
            "WHERE a.attrelid = to_regclass(CASE WHEN :schema = '' THEN format('%I', CAST(:name AS text)) "
            "ELSE format('%I.%I', CAST(:schema AS text), CAST(:name AS text)) END) "
            "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        ),
        {"schema": address.schema, "name": address.table},
    )
    return {str(name): str(kind) for name, kind in rows}


def _near_tables(link: Connection, address: Address) -> str:
    from sqlalchemy import text

    rows = link.execute(
        text(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2 LIMIT 1000"
        )
    )
    known = [name if schema == "public" else f"{schema}.{name}" for schema, name in rows]
    near = difflib.get_close_matches(address.name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else "table=name or table=schema.name"


def read_rows(address: Address, *, most_rows: int, most_signs: int) -> Any:  # noqa: ANN401  (a frame of geopandas)
    """Rows of a table or view: every column as text, and the geometry if there is one.

    Cells are cut after ``most_signs`` + 1 characters and rows after ``most_rows`` + 1 by the server, so that a
    large table is noticed and not loaded. Rows come in the order of their text, whatever order they lie in.

    Returns
    -------
    DataFrame or GeoDataFrame

    Raises
    ------
    DataError
        If there is no such table, it has several geometries, or the server refuses.
    """
    import geopandas
    import pandas as pd

    with connection(address) as link:
        import sqlalchemy
        from sqlalchemy import Text, cast, column, func, select
        from sqlalchemy.sql import quoted_name

        kinds = columns_of(link, address)
        if not kinds:
            message = f"{address}: no such table, or no permission to see it"
            raise DataError(message, hint=_near_tables(link, address))
        geometry = _geometry_column(address, kinds)
        texts: list[Any] = [
            func.left(cast(column(quoted_name(name, quote=True)), Text), most_signs + 1).label(
                quoted_name(name, quote=True)
            )
            for name, kind in kinds.items()
            if kind not in GEOMETRY_TYPES
        ]
        shapes: list[Any] = [column(quoted_name(geometry, quote=True))] if geometry else []
        source = sqlalchemy.table(
            quoted_name(address.table, quote=True),
            schema=quoted_name(address.schema, quote=True) if address.schema else None,
        )
        order = [expression.element.collate("C") for expression in texts]
        query = select(*texts, *shapes).select_from(source).order_by(*order).limit(most_rows + 1)
        if geometry:
            return geopandas.read_postgis(query, link, geom_col=geometry)
        return pd.read_sql_query(query, link)


def _geometry_column(address: Address, kinds: dict[str, str]) -> str:
    """Column of the places, "" if there is none."""
    found = [name for name, kind in kinds.items() if kind in GEOMETRY_TYPES]
    if address.geometry:
        if address.geometry not in found:
            message = f"{address}: no column of places is named '{address.geometry}'"
            raise DataError(message, hint=f"it has {', '.join(found)}" if found else "it has none")
        return address.geometry
    if len(found) > 1:
        message = f"{address}: several columns of places ({', '.join(found)})"
        raise DataError(message, hint=f"add &geometry={found[0]} to the address")
    return found[0] if found else ""
