"""The store on SQLite: one file, one process that serves it, one writer thread.

Beside that process another may come for one transaction, to ask the trail; see SqliteVisit.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlite_utils import Database

from bot.store import search
from bot.store.migrations import STEPS, migrations
from bot.store.tx import Row, StoreError, Tx, Values
from bot.store.writer import Outcome, Script, Writer, attempt

R = TypeVar("R")

BUSY = 5.0  # s that a transaction waits for another process's to end
BESIDE_A_BOT = 50_000_000  # bytes of a file that may be written anew while a bot serves it
DAMAGED = (sqlite3.DatabaseError, UnicodeDecodeError)  # what an error quotes need not be text


class SqliteTx:
    """The open transaction of the one connection."""

    kind: Literal["sqlite", "postgres"] = "sqlite"
    damaged: tuple[type[Exception], ...] = DAMAGED

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def query(self, sql: str, /, **params: object) -> list[Row]:
        cursor = self._connection.execute(sql, params)
        names = [d[0] for d in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def each(self, sql: str, /, **params: object) -> Iterator[tuple[Any, ...]]:
        return self._connection.execute(sql, params)

    def execute(self, sql: str, /, **params: object) -> int:
        return self._connection.execute(sql, params).rowcount

    def send(self, sql: str, /, **params: object) -> None:
        self._connection.execute(sql, params)

    def execute_many(self, sql: str, rows: Sequence[Values], /) -> None:
        self._connection.executemany(sql, rows)

    def damage(self) -> str | None:
        ((said,),) = self.each("PRAGMA integrity_check(1)")
        return None if said == "ok" else str(said)

    @property
    def is_open(self) -> bool:
        return self._connection.in_transaction


class InUse(StoreError):
    """Another process serves the file."""


def _take_lock(path: Path) -> int:
    lock = path.with_name(path.name + ".lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise StoreError(f"{lock}: {e.strerror}. Make its folder writable.") from e
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        os.close(handle)
        raise InUse(
            f"{path} is in use by another process. Stop that one first: "
            "one SQLite file serves one process."
        ) from e
    return handle


class SqliteStore(Writer):
    """See `bot.store.tx.Store`. Each transaction is durable when it ends.

    Raises StoreError where the file cannot be used, is another process's, or is of another schema.
    """

    shared = False
    time = None

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._durable = True
        self._lock = _take_lock(path)
        try:
            self._db = self._thread.submit(self._open).result()
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def address(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def folder(self) -> Path:
        return self.path.parent

    def _open(self) -> Database:
        try:
            connection = sqlite3.connect(
                self.path, timeout=BUSY, isolation_level=None, cached_statements=256
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            return Database(connection)
        except sqlite3.DatabaseError as e:
            raise StoreError(f"{self.path} cannot be used as a database: {e}") from e

    def pending(self) -> list[str]:
        """The names of the migrations that have not been applied."""
        return self._thread.submit(
            lambda: [m.name for m in migrations().pending(self._db)]
        ).result()

    def migrate(self) -> None:
        """Apply what is pending. Raises StoreError if the file was made by a newer version."""
        self._thread.submit(self._migrate).result()

    def _migrate(self) -> None:
        _refuse_newer(self._db, self.path)
        migrations().apply(self._db)

    async def look(self, script: Callable[[Tx], R]) -> R:
        """Run `script` on the database as it is at this moment, however long it takes, in a thread
        and on a connection of its own: nobody waits for it. See SqliteVisit."""
        return await asyncio.to_thread(self.look_now, script)

    def look_now(self, script: Callable[[Tx], R]) -> R:
        visit = SqliteVisit(self.path)
        try:
            return visit.look(script)
        finally:
            visit.close()

    def _prepare(self, durable: bool, alone: bool) -> None:
        """SQLite has one writer at a time, so that each is alone."""
        if durable != self._durable:
            self._db.conn.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def _transact(self, scripts: Sequence[Script]) -> Sequence[Outcome]:
        if len(scripts) == 1:
            return [(_transact(self._db, self.path, scripts[0]), None)]
        return _transact(self._db, self.path, lambda tx: [_attempt(tx, s) for s in scripts])

    def close(self) -> None:
        self._thread.submit(self._db.close).result()
        self._thread.shutdown()
        os.close(self._lock)


class SqliteVisit:
    """A way into the database beside the process that serves it: short transactions, and long looks.

    It takes no lock file, so it must leave alone what belongs to the worker: schema, leases, and
    requests that are open. Appending to a stream that the worker has done with is safe: places in the
    ledger are unique, and taken inside a transaction that excludes the other process's; whoever folded
    a stream before is told that it has gone on. Raises StoreError where the file is not there,
    cannot be written to, or is of another schema.
    """

    time = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        try:
            connection = sqlite3.connect(
                path.absolute().as_uri() + "?mode=rw", uri=True, timeout=BUSY, isolation_level=None
            )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except DAMAGED as e:
            raise StoreError(f"{path} cannot be used as a database: {e}") from e
        self._db = Database(connection)
        try:
            self._refuse_another_schema()
        except BaseException:
            self._db.close()
            raise

    def _refuse_another_schema(self) -> None:
        try:
            _refuse_newer(self._db, self.path)
            if migrations().pending(self._db):
                raise StoreError(f"{self.path} is of an earlier version. Run `nolone migrate`.")
        except DAMAGED as e:
            raise StoreError(f"{self.path} cannot be used as a database: {e}") from e

    def run_now(self, script: Callable[[Tx], R]) -> R:
        """Run `script` in a transaction; what it raises undoes everything it did."""
        return _transact(self._db, self.path, script)

    def look(self, script: Callable[[Tx], R]) -> R:
        """Run `script` on the database as it is at this moment, however long it takes.

        It keeps nobody from writing; it can change nothing, and whatever it raises is passed on.
        """
        connection = self._db.conn
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        try:
            return script(SqliteTx(connection))
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute("PRAGMA query_only = OFF")

    def write_anew(self) -> None:
        """Write the whole file anew and empty its write-ahead log, so that nothing that was deleted
        is left in them: not in free pages, and not between what is kept.

        SQLite's `secure_delete` does not do: what was deleted or moved before has left copies, and in
        the full-text index nothing is overwritten.
        Nobody can write meanwhile. Raises StoreError where it could not be done, or not to the end.
        """
        try:
            lock = _take_lock(self.path)
        except InUse:
            self._refuse_to_keep_a_bot_waiting()
            self._write_anew()
            return
        try:
            self._write_anew()
        finally:
            os.close(lock)

    def _refuse_to_keep_a_bot_waiting(self) -> None:
        size = self.path.stat().st_size
        if size > BESIDE_A_BOT:
            raise StoreError(
                f"{self.path} has {size // 1_000_000} MB. Writing it anew would keep the bot, and every"
                " veto, waiting for too long: stop the bot for it."
            )

    def _write_anew(self) -> None:
        connection = self._db.conn
        try:
            search.rebuild(self._db)
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # others may write
            ((busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError as e:
            raise StoreError(f"{self.path} could not be written anew: {e}.") from e
        log = self.path.with_name(self.path.name + "-wal")
        if busy or (log.exists() and log.stat().st_size):
            raise StoreError(f"{log} could not be emptied: somebody reads the database.")

    def close(self) -> None:
        self._db.close()


def _refuse_newer(db: Database, path: Path) -> None:
    newer = {m.name for m in migrations().applied(db)} - {name for name, *_ in STEPS}
    if newer:
        raise StoreError(
            f"{path} was made by a newer version ({', '.join(sorted(newer))}). "
            "Run that version, or restore the backup from before the upgrade."
        )


def _attempt(tx: SqliteTx, script: Script) -> Outcome:
    # the disk is full, or the like, and SQLite may have undone it all
    return attempt(tx, script, lambda e: not tx.is_open or isinstance(e, sqlite3.OperationalError))


def _transact(db: Database, path: Path, script: Callable[[SqliteTx], R]) -> R:
    connection = db.conn
    try:
        # a deferred one that read before it writes can fail as busy without waiting
        connection.execute("BEGIN IMMEDIATE")
        result = script(SqliteTx(connection))
        connection.execute("COMMIT")
    except BaseException as e:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(e, sqlite3.OperationalError):  # the disk is full, another holds the file, …
            raise StoreError(f"{path} could not be written to: {e}") from e
        raise
    return result
