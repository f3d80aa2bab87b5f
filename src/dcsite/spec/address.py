"""Addresses of database tables, such as ``postgresql://user@host/database?table=sites``.

Owns what such an address may say, and that its password is seen by nobody: :func:`read_address` takes the
password out and keeps it in the memory of this process. The text of an address, and with it every message,
manifest and scenario that is written, holds none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SCHEMES: Final = ("postgresql", "postgres")
EXAMPLE: Final = "postgresql://user@host:5432/database?table=schema.sites"
QUERY: Final = ("table", "geometry", "host", "sslmode")
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
MOST_BYTES: Final = 63
"""Bytes of a name; PostgreSQL cuts longer ones in silence."""

_START: Final = re.compile(r"(postgres(?:ql)?(?:\+\w+)?):/{1,2}", re.IGNORECASE)
_SECRET: Final = re.compile(r"(postgres(?:ql)?(?:\+\w+)?:/{1,2})([^\s:@/'\"]*):(\S*)@", re.IGNORECASE)
_passwords: dict[str, str] = {}


@dataclass(frozen=True)
class Address:
    """A table of a database. Its text holds no password.

    Attributes
    ----------
    user, host, port
        "" or None: what the environment says (``PGUSER``, ``PGHOST``, ``PGPORT``), else the usual.
    schema
        "" for the search path of the database.
    geometry
        Column of the places, "" for the only one there is.
    """

    user: str
    host: str
    port: int | None
    database: str
    schema: str
    table: str
    geometry: str = ""
    sslmode: str = ""

    @property
    def server(self) -> str:
        """Where it is, without the table: the key of a password."""
        at = f"{quote(self.user, safe='')}@" if self.user else ""
        port = f":{self.port}" if self.port is not None else ""
        host = "" if self.host.startswith("/") else self.host
        return (
            f"postgresql://{at}{f'[{host}]' if ':' in host else host}{port}/{quote(self.database, safe='')}"
        )

    @property
    def name(self) -> str:
        """Table as it is asked for, with its schema."""
        return f"{self.schema}.{self.table}" if self.schema else self.table

    @property
    def password(self) -> str | None:
        """What was read with the address in this process; None leaves it to ``PGPASSWORD`` and ``~/.pgpass``."""
        return _passwords.get(self.server)

    def __str__(self) -> str:
        query = [("table", self.name), ("geometry", self.geometry), ("sslmode", self.sslmode)]
        if self.host.startswith("/"):
            query.append(("host", self.host))
        text = "&".join(f"{key}={quote(value, safe='/.')}" for key, value in query if value)
        return f"{self.server}?{text}"


def is_address(text: object) -> bool:
    """Whether a text (or a path that was made of one) is meant as the address of a database.

    Examples
    --------
    >>> is_address("postgresql://host/db?table=sites"), is_address("sites.csv")
    (True, False)
    """
    return _START.match(str(text)) is not None


def read_address(text: object) -> Address:
    """Read an address and keep its password in memory.

    Parameters
    ----------
    text
        ``postgresql://[user[:password]@]host[:port]/database?table=[schema.]name``; also ``geometry=COLUMN``,
        ``sslmode=MODE``, and ``host=/FOLDER`` for a socket. Signs such as ``@ : / ? #`` within a part are
        written ``%40 %3A %2F %3F %23``. A path that has lost a slash is understood.

    Raises
    ------
    ValueError
        With what is wrong; the message never repeats what stands before the host.

    Examples
    --------
    >>> str(read_address("postgresql://ann:secret@db.example/gis?table=plan.sites"))
    'postgresql://ann@db.example/gis?table=plan.sites'
    """
    whole = str(text)
    found = _START.match(whole)
    if found is None or found.group(1).lower() not in SCHEMES:
        message = f"not the address of a database table: write {EXAMPLE}"
        raise ValueError(message)
    try:
        parts = urlsplit(f"postgresql://{whole[found.end() :]}")
        port = parts.port
    except ValueError:
        message = "the address has no usable host and port (write @ : / ? # inside a password as %40 %3A %2F %3F %23)"
        raise ValueError(message) from None
    query = _query(parts.query)
    schema, _, table = query.get("table", "").rpartition(".")
    database = unquote(parts.path.removeprefix("/"))
    if parts.fragment or not database or "/" in database:
        message = f"the address names no database: write {EXAMPLE}"
        raise ValueError(message)
    if not table:
        message = f"the address names no table: write {EXAMPLE}"
        raise ValueError(message)
    names = {"table": table, "schema": schema, "geometry": query.get("geometry", ""), "database": database}
    for what, value in names.items():
        if len(value.encode()) > MOST_BYTES or any(ord(sign) < 32 for sign in value):
            message = (
                f"the {what} of the address must have at most {MOST_BYTES} bytes and no control characters"
            )
            raise ValueError(message)
    address = Address(
        user=unquote(parts.username or ""),
        host=query.get("host", "") or parts.hostname or "",
        port=port,
        database=database,
        schema=schema,
        table=table,
        geometry=query.get("geometry", ""),
        sslmode=query.get("sslmode", ""),
    )
    if parts.password:
        _passwords[address.server] = unquote(parts.password)
    return address


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        if key not in QUERY:
            message = f"unknown part of an address (known: {', '.join(QUERY)})"
            raise ValueError(message)
        if key in found:
            message = f"'{key}' stands twice in the address"
            raise ValueError(message)
        found[key] = value
    mode = found.get("sslmode", "")
    if mode and mode not in SSL_MODES:
        message = f"sslmode must be one of {', '.join(SSL_MODES)}"
        raise ValueError(message)
    host = found.get("host", "")
    if host and not host.startswith("/"):
        message = "host= names the folder of a socket; a server stands before the database"
        raise ValueError(message)
    return found


def without_password(text: str) -> str:
    """A text with the passwords of all addresses in it taken out.

    Examples
    --------
    >>> without_password("read postgresql://ann:se@cret@db/gis?table=a today")
    'read postgresql://ann@db/gis?table=a today'
    """
    return _SECRET.sub(r"\1\2@", text)


def keep_password(text: str) -> str:
    """An argument as typed (``ADDRESS`` or ``--option=ADDRESS``) without the password, which stays in memory."""
    before, mark, after = text.partition("=")
    if not is_address(text) and is_address(after):
        return f"{before}{mark}{keep_password(after)}"
    if not is_address(text):
        return text
    try:
        return str(read_address(text))
    except ValueError:
        return without_password(text)


def passwords() -> dict[str, str]:
    """Passwords read in this process, by server: only to be handed to a process of one's own."""
    return dict(_passwords)


def take_passwords(known: dict[str, str]) -> None:
    """Know the passwords of the process that started this one."""
    _passwords.update(known)
