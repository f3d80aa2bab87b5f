"""Results as tables of PostgreSQL with PostGIS: whole or not at all, in one transaction.

A table that exists is kept unless ``force`` is set, and even then only one that this program wrote is
replaced: it carries a mark in its comment.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from dcsite.data.postgis import columns_of, connection
from dcsite.errors import DataError, UsageError
from dcsite.report.plain import plain_value
from dcsite.spec.address import MOST_BYTES, Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from dcsite.report.frames import Table

MARK: Final = "Written by dcsite"
GEOMETRY: Final = "geometry"
SQL_TYPES: Final = {"text": "text", "number": "double precision", "integer": "bigint", "flag": "boolean"}


def refuse_table(address: Address, *, force: bool) -> None:
    """Check before any work is done that the table can be written.

    Raises
    ------
    UsageError
        If it exists and may not be replaced.
    DataError
        If the database cannot be reached or has no PostGIS.
    """
    with connection(address) as link:
        _check_target(link, address, force=force)


def _check_target(link: Connection, address: Address, *, force: bool) -> bool:
    """Whether a table of ours is there to be replaced."""
    from sqlalchemy import text

    if link.execute(text("SELECT to_regtype('geometry')")).scalar() is None:
        message = f"{address}: the database has no PostGIS"
        raise DataError(message, hint="an administrator runs CREATE EXTENSION postgis")
    if address.schema:
        found = link.execute(text("SELECT to_regnamespace(quote_ident(:name))"), {"name": address.schema})
        if found.scalar() is None:
            message = f"{address}: no schema '{address.schema}'"
            raise DataError(message, hint="make it first, or name another")
    if not columns_of(link, address):
        return False
    if not force:
        message = f"{address} exists"
        raise UsageError(message, hint="--force replaces a table that dcsite wrote, or give another name")
    told = link.execute(
        text(
            "SELECT obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c WHERE c.relkind = 'r' "
            "AND c.oid = to_regclass(CASE WHEN :schema = '' THEN quote_ident(:name) "
            "ELSE quote_ident(:schema) || '.' || quote_ident(:name) END)"
        ),
        {"schema": address.schema, "name": address.table},
    ).scalar()
    if not str(told or "").startswith(MARK):
        message = f"{address} exists and was not written by dcsite"
        raise UsageError(message, hint="--force replaces only tables that dcsite wrote: give another name")
    return True


@contextmanager
def new_table(
    address: Address, columns: Sequence[tuple[str, str]], *, force: bool
) -> Iterator[Callable[[pd.DataFrame], int]]:
    """Make a table and yield what appends rows to it; an error inside leaves the database as it was.

    Parameters
    ----------
    columns
        Name and kind (a key of :data:`SQL_TYPES`) of each; ``lat`` and ``lon`` among the appended frames'
        columns also give the point in the column ``geometry``.

    Raises
    ------
    UsageError, DataError
        If the table may not be written or the server refuses.
    """
    names = [name for name, _ in columns]
    bad = [name for name in names if len(name.encode()) > MOST_BYTES or "\x00" in name or name == GEOMETRY]
    if bad or len(set(names)) < len(names):
        message = f"{address}: column '{bad[0] if bad else ''}' cannot be a column of a database table"
        raise UsageError(message)
    with connection(address, write=True) as link:
        from psycopg import sql

        where = sql.Identifier(*([address.schema] if address.schema else []), address.table)
        replaced = _check_target(link, address, force=force)
        cursor: Any = link.connection.cursor()
        if replaced:
            cursor.execute(sql.SQL("DROP TABLE {}").format(where))
        fields = [
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(SQL_TYPES[kind])) for name, kind in columns
        ]
        fields.append(sql.SQL("{} geometry(Point, 4326)").format(sql.Identifier(GEOMETRY)))
        cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(where, sql.SQL(", ").join(fields)))
        cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(where, sql.Literal(MARK)))
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
            where, sql.SQL(", ").join(sql.Identifier(name) for name in (*names, GEOMETRY))
        )

        def append(frame: pd.DataFrame) -> int:
            with cursor.copy(copy) as rows:
                for row in zip(*_cells(frame, columns), strict=True):
                    rows.write_row(row)
            return len(frame)

        yield append
        cursor.execute(sql.SQL("CREATE INDEX ON {} USING gist ({})").format(where, sql.Identifier(GEOMETRY)))
        cursor.close()


def _cells(frame: pd.DataFrame, columns: Sequence[tuple[str, str]]) -> list[list[Any]]:
    """Values of each column as the server takes them, then the points."""
    cells: list[list[Any]] = []
    for name, kind in columns:
        values = [plain_value(value) for value in frame[name]]
        if kind == "text":
            values = [None if value is None else str(value).replace("\x00", "") for value in values]
        elif kind == "integer":
            values = [None if value is None else int(value) for value in values]
        cells.append(list(values))
    lat, lon = (
        pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64)
        if name in frame
        else np.full(len(frame), np.nan)
        for name in ("lat", "lon")
    )
    cells.append(
        [
            f"SRID=4326;POINT({x!r} {y!r})" if np.isfinite(x) and np.isfinite(y) else None
            for x, y in zip(lon.tolist(), lat.tolist(), strict=True)
        ]
    )
    return cells


def write_table(table: Table, places: pd.DataFrame, address: Address, *, force: bool) -> int:
    """Write a described table with the position of each row; returns the number of rows.

    Parameters
    ----------
    places
        The table's frame with ``lat`` and ``lon``.

    Raises
    ------
    UsageError, DataError
        If the table may not be written or the server refuses.
    """
    columns = [(column.name, column.kind) for column in table.columns]
    have = {name for name, _ in columns}
    columns += [(name, "number") for name in ("lat", "lon") if name not in have]
    with new_table(address, columns, force=force) as append:
        return append(places)
