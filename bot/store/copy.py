"""All that is in a database, brought into an empty one: to move it, to back it up, to restore it.

Both are open in one transaction each, so a copy is of one moment of the source, and the target has
all of it or nothing. What was written is read back and compared before the target commits.
"""

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from bot.store.tx import StoreError, Tx

AT_A_TIME = 500  # rows

# in an order in which what others refer to is there first
TABLES: dict[str, tuple[str, ...]] = {
    "entries": ("seq", "stream", "version", "at", "kind", "actor", "body"),
    "tree": ("level", "idx", "hash"),
    "openings": ("seq", "field", "salt", "value"),
    "deliveries": ("key", "at"),
    "requests": (
        *("n", "id", "version", "action", "tier", "subject", "handle", "requester", "filed_at"),
        *("undoes", "quorum_at", "eta", "started_seq", "unknown_since", "phase", "ended_at"),
        *("outcome", "due_at", "approved_at", "expires_at", "waiting"),
    ),
    "involved": ("person", "role", "request", "at"),
    "claims": ("subject", "holder"),
    "words": ("n", "text"),
    "outbox": (
        *("id", "key", "lane", "stream", "seq", "what", "recipient", "wanted", "due_at"),
        *("fence", "leased_until", "attempts", "tried", "error"),
        *("urgency", "place", "asked_at", "failed_at"),
    ),
    "pace": ("place", "free_at"),
    "undelivered": ("stream", "error", "messages", "since", "until"),
    "posts": ("key", "channel", "ts", "seq"),
    "drafts": ("view_id", "person", "action", "handle", "found", "at"),
    "clock": ("one", "boot", "up", "at"),
    "anchored": ("anchor", "size", "root", "at", "place", "signed"),
}


class _Sum(NamedTuple):
    """Rows, in whatever order they are read: databases sort text each in its own way."""

    n: int = 0
    of: int = 0  # their hashes, added up

    def add(self, row: tuple[Any, ...]) -> "_Sum":
        hash = int.from_bytes(hashlib.sha256(repr(row).encode()).digest())
        return _Sum(self.n + 1, self.of + hash)


def holds(tx: Tx) -> str | None:
    """The first table that has something in it, whatever it is; None: the database is empty."""
    for table in TABLES:
        if tx.query(f"SELECT 1 AS yes FROM {table} LIMIT 1"):  # noqa: S608 - ours, above
            return table
    return None


def copy(source: Tx, target: Tx) -> None:
    """Everything of `source`, into `target`, and read back.

    Raises StoreError where the target is not empty, or does not read as it was written.
    """
    if (table := holds(target)) is not None:
        raise StoreError(f"it is not empty: there is something in {table}.")
    sums = {table: _copy(source, target, table) for table in TABLES}
    if target.kind == "postgres":
        _settle(target)
    for table, written in sums.items():
        if _sum(target, table) != written:
            raise StoreError(f"{table} was written, and reads otherwise.")


def _settle(tx: Tx) -> None:
    """What SQLite does by itself: number on from what is there, and know how much there is."""
    tx.query(
        "SELECT setval(pg_get_serial_sequence('outbox', 'id'), coalesce(max(id), 0) + 1, false)"
        " FROM outbox"
    )
    for table in TABLES:
        tx.execute(f"ANALYZE {table}")


def _copy(source: Tx, target: Tx, table: str) -> _Sum:
    columns = TABLES[table]
    values = ", ".join(f":{column}" for column in columns)
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608
    rows, found = _rows(source, table), _Sum()
    while batch := list(islice(rows, AT_A_TIME)):
        for row in batch:
            found = found.add(row)
        target.execute_many(sql, [dict(zip(columns, row, strict=True)) for row in batch])
    return found


def _sum(tx: Tx, table: str) -> _Sum:
    found = _Sum()
    for row in _rows(tx, table):
        found = found.add(row)
    return found


def _rows(tx: Tx, table: str) -> Iterator[tuple[Any, ...]]:
    return tx.each(f"SELECT {', '.join(TABLES[table])} FROM {table}")  # noqa: S608
