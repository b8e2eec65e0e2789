"""The databases that the contract is held against: each opens connections to one database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from bot.store.postgres import PostgresStore
from bot.store.sqlite import SqliteStore, SqliteVisit
from bot.store.tx import Tx
from tests.postgres import database_url

R = TypeVar("R")


class Connection(Protocol):
    def run_now(self, script: Callable[[Tx], R], /) -> R: ...

    def close(self) -> None: ...


class Backend(Protocol):
    def store(self) -> Connection:
        """The connection of the process that serves the database, with the schema in place."""
        ...

    def another(self) -> Connection:
        """One more connection to the same database, to race the first with."""
        ...


class _Beside:
    """A visitor in a thread of its own, since a SQLite connection stays in the one that made it."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._visit = self._thread.submit(SqliteVisit, path).result()

    def run_now(self, script: Callable[[Tx], R], /) -> R:
        return self._thread.submit(self._visit.run_now, script).result()

    def close(self) -> None:
        self._thread.submit(self._visit.close).result()
        self._thread.shutdown()


class Sqlite:
    """A real file. Its lock keeps a second store out, so the other connection is a visitor."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "nolone.db"

    def store(self) -> SqliteStore:
        store = SqliteStore(self.path)
        store.migrate()
        return store

    def another(self) -> Connection:
        return _Beside(self.path)


class Postgres:
    """A fresh database on a real server; any number of stores may serve it."""

    def __init__(self, folder: Path) -> None:
        self.url = database_url()

    def store(self) -> PostgresStore:
        store = PostgresStore(self.url)
        store.migrate()
        return store

    def another(self) -> Connection:
        return PostgresStore(self.url)


BACKENDS: dict[str, Callable[[Path], Backend]] = {"sqlite": Sqlite, "postgres": Postgres}
