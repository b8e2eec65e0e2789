"""Which database is meant by an address."""

from pathlib import Path

from bot.store.sqlite import SqliteStore, SqliteVisit
from bot.store.tx import Store, Visit

SQLITE = "sqlite:///"


def open_store(url: str) -> Store:
    """The database to serve. Raises StoreError."""
    if (file := file_of(url)) is not None:
        return SqliteStore(file)
    from bot.store.postgres import PostgresStore  # loaded where it is wanted

    return PostgresStore(url)


def open_visit(url: str) -> Visit:
    """The database to look into, beside those who serve it. Raises StoreError."""
    if (file := file_of(url)) is not None:
        return SqliteVisit(file)
    from bot.store.postgres import PostgresVisit

    return PostgresVisit(url)


def file_of(url: str) -> Path | None:
    """The file that a database is; None: it is a server's."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None
