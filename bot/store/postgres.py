"""The store on PostgreSQL: any number of processes serve one database.

What is decided must be decided one after the other, since each entry's place, its tree and what is
known of all requests rest on those before: a transaction that may write to the ledger takes an advisory
lock, which its end frees, however it ends. What works on rows of the outbox alone does not wait for it.

Nothing waits for ever. Each transaction has a deadline on this side, after which the connection is cut,
whatever the network does, and one on the server's, after which a client that fell silent holds no lock.
"""

import asyncio
import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, Literal, TypeVar

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict

from bot.store.migrations import STEPS
from bot.store.shared_time import SharedTime, up
from bot.store.tx import Row, StoreError, Tx, Values
from bot.store.writer import Outcome, Script, Writer, attempt

R = TypeVar("R")

DEADLINE = 2.5  # s for a transaction, with all tries at it; Slack waits for 3
RETRY_FOR = 2.0  # s in which one that came to nothing is begun again
SILENT = 2_000  # ms after which the server ends the transaction of a client that says nothing
VISIT_SILENT = 60_000  # ms, for the scripts of the command line
LEDGER, SCHEMA = 0x6E6F6C6F6E65, 0x6E6F6C6F6E66  # advisory locks
BEAT = 1_000  # ms between two words on how late it is, to those who may have stood still
LOST = (psycopg.OperationalError, psycopg.InterfaceError)
ROWS = 1_000  # that are fetched at a time

_PARAMETER = re.compile(r"'[^']*'|::|:(\w+)")
_ELSEWHERE = re.compile(r" (?:NOT INDEXED|INDEXED BY \w+)")
_OURS = re.compile(r"/\*pg (.*?) \*/")


@lru_cache(maxsize=1_000)
def _translated(text: str) -> bytes:
    """A script's SQL as psycopg takes it."""
    text = _OURS.sub(r"\1", _ELSEWHERE.sub("", text)).replace("%", "%%")
    return _PARAMETER.sub(lambda m: f"%({m[1]})s" if m[1] else m[0], text).encode()


def _storable(params: Values) -> Values:
    """PostgreSQL's texts hold no NUL. What people typed, or a platform answered, may; what is sealed of
    it is escaped anyway."""
    return {
        name: value.replace("\0", "\ufffd") if isinstance(value, str) else value
        for name, value in params.items()
    }


class PostgresTx:
    """The open transaction of a connection."""

    kind: Literal["sqlite", "postgres"] = "postgres"
    damaged: tuple[type[Exception], ...] = (psycopg.DatabaseError, UnicodeDecodeError)

    def __init__(
        self,
        connection: Connection[Any],
        pipeline: psycopg.Pipeline | None = None,
        streams: bool = False,
    ) -> None:
        """`pipeline`: what nobody asks about is sent together; `streams`: what is read one after
        another is not fetched at once."""
        self._connection = connection
        self._pipeline = pipeline
        self._streams = streams
        self._names = count()
        self.wrote = False  # something that would have to be undone

    def query(self, text: str, /, **params: object) -> list[Row]:
        self.wrote |= not text.startswith("SELECT")
        cursor = self._connection.execute(_translated(text), _storable(params))
        rows = cursor.fetchall()  # before that, nothing is known of them in a pipeline
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def each(self, text: str, /, **params: object) -> Iterator[tuple[Any, ...]]:
        if not self._streams:
            cursor = self._connection.execute(_translated(text), _storable(params))
            return iter(cursor.fetchall())
        return self._stream(_translated(text), _storable(params))

    def _stream(self, text: bytes, params: Values) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor(f"each_{next(self._names)}") as cursor:
            cursor.itersize = ROWS
            yield from cursor.execute(text, params)

    def execute(self, text: str, /, **params: object) -> int:
        self.wrote = True
        cursor = self._connection.execute(_translated(text), _storable(params))
        if self._pipeline is not None:
            self._pipeline.sync()
        return cursor.rowcount

    def send(self, text: str, /, **params: object) -> None:
        self.wrote = True
        self._connection.execute(_translated(text), _storable(params))

    def execute_many(self, text: str, rows: Sequence[Values], /) -> None:
        if rows:
            self.wrote = True
            self._connection.cursor().executemany(_translated(text), [*map(_storable, rows)])

    def damage(self) -> str | None:
        return None  # its files are the server's


class PostgresStore(Writer):
    """See `bot.store.tx.Store`. Raises StoreError where the database cannot be used."""

    shared = True
    folder = None

    def __init__(self, url: str) -> None:
        super().__init__()
        self.name = named(url)
        self.time = SharedTime()
        self.address = url
        self._beat = 0  # when it last said what time it is (ms)
        self._durable = self._alone = True
        self._connection: Connection[Any] | None = None
        self._watch = _Watch()
        try:
            self._thread.submit(self._connected).result()
        except LOST as e:
            self.close()
            raise StoreError(f"{self.name} cannot be used: {_said(e)}") from e

    def pending(self) -> list[str]:
        return self._thread.submit(lambda: _pending(self._connected(), self.name)).result()

    def migrate(self) -> None:
        self._thread.submit(lambda: _migrate(self._connected(), self.name)).result()

    async def look(self, script: Callable[[Tx], R]) -> R:
        return await asyncio.to_thread(self.look_now, script)

    def look_now(self, script: Callable[[Tx], R]) -> R:
        with contextlib.closing(_connect(self.address, self.name)) as connection:
            return _look(connection, script)

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = None
            self._connection = _connect(self.address, self.name, silent=SILENT, within=DEADLINE)
        return self._connection

    def _prepare(self, durable: bool, alone: bool) -> None:
        self._durable, self._alone = durable, alone

    def _transact(self, scripts: Sequence[Script]) -> Sequence[Outcome]:
        began = time.monotonic()
        while True:
            try:
                connection = self._connected()
                with self._watch.over(connection, began + DEADLINE):
                    try:
                        return self._together(connection, scripts)
                    except _Spoilt:
                        connection.execute(b"ROLLBACK", prepare=False)
                        return self._one_by_one(connection, scripts)
            except LOST as e:
                self._drop()
                if time.monotonic() - began > RETRY_FOR:
                    raise StoreError(f"{self.name} cannot be used: {_said(e)}") from e
                time.sleep(0.05)
            except BaseException:
                self._undo()
                raise

    def _together(
        self, connection: Connection[Any], scripts: Sequence[Script]
    ) -> Sequence[Outcome]:
        """Run these in one transaction, and wait for what they ask only. Raises _Spoilt if one of
        several has to be undone alone: most that raise have only read, and need not be."""
        self._begin(connection)
        with connection.pipeline() as pipeline:
            tx = PostgresTx(connection, pipeline)
            try:
                if len(scripts) == 1:
                    outcomes: list[Outcome] = [(scripts[0](tx), None)]
                else:
                    outcomes = [_hope_for(tx, script) for script in scripts]
                pipeline.sync()  # whatever failed is known before the end is asked for
            except LOST:
                raise
            except BaseException as e:
                with contextlib.suppress(psycopg.Error):  # what was sent behind it
                    pipeline.sync()
                if len(scripts) > 1 and isinstance(e, psycopg.Error):
                    raise _Spoilt from e
                raise
        self._end(connection)
        return outcomes

    def _one_by_one(
        self, connection: Connection[Any], scripts: Sequence[Script]
    ) -> Sequence[Outcome]:
        """The same with a savepoint for each, which takes two round trips."""
        self._begin(connection)
        tx = PostgresTx(connection)
        outcomes = [attempt(tx, script, lambda e: isinstance(e, LOST)) for script in scripts]
        self._end(connection)
        return outcomes

    def _begin(self, connection: Connection[Any]) -> None:
        """Begin, and hear what time it is, in one round trip."""
        asked = up()
        said = connection.execute(_BEGIN[self._alone, self._durable], prepare=False)
        while said.nextset():
            pass
        ((clock, held_back, beat, newest, steps),) = said.fetchall()
        if steps > len(STEPS):
            raise StoreError(
                f"{self.name} was migrated by a newer version: this one does nothing more in it. Stop"
                " it, and run that version."
            )
        held = self.time.hear(clock, held_back, max(beat, newest), up() - asked)
        if held != held_back:
            if not self._durable:  # a crash of the server must not forget it
                connection.execute("SET LOCAL synchronous_commit = on")
            connection.execute(
                "UPDATE shared_time SET held_back = %(held)s WHERE held_back = %(before)s",
                {"held": held, "before": held_back},
            )

    def _end(self, connection: Connection[Any]) -> None:
        now = self.time.now()
        if now - self._beat >= BEAT:
            connection.execute(
                "UPDATE shared_time SET beat = greatest(beat, %(now)s)", {"now": now}
            )
            self._beat = now
        try:
            connection.execute(b"COMMIT", prepare=False)
        except LOST as e:
            self._drop()  # it may have been committed: whoever asked must look before trying again
            raise StoreError(f"{self.name} did not say whether it committed: {_said(e)}") from e

    def _undo(self) -> None:
        try:
            if self._connection is not None and not self._connection.closed:
                self._connection.execute(b"ROLLBACK")
        except psycopg.Error:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def close(self) -> None:
        self._thread.submit(self._drop).result()
        self._thread.shutdown()
        self._watch.close()


class _Spoilt(Exception):
    """A script raised when it had written something, or broke the transaction."""


def _hope_for(tx: PostgresTx, script: Script) -> Outcome:
    """What comes of one of several scripts, which can be undone with the others only."""
    tx.wrote = False
    try:
        return script(tx), None
    except LOST:
        raise
    except BaseException as e:
        if tx.wrote or isinstance(e, psycopg.Error):
            raise _Spoilt from e
        return None, e


_CLOCK = """
    SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT), held_back, beat,
        coalesce((SELECT at FROM entries ORDER BY seq DESC LIMIT 1), 0),
        (SELECT count(*) FROM nolone_migrations)
    FROM shared_time
"""
_BEGIN = {
    (alone, durable): ";".join(
        [
            "BEGIN",
            *(["SET LOCAL synchronous_commit = off"] if not durable else []),
            *([f"SELECT pg_advisory_xact_lock({LEDGER})"] if alone else []),
            _CLOCK,
        ]
    ).encode()
    for alone in (True, False)
    for durable in (True, False)
}


class PostgresVisit:
    """See `bot.store.tx.Visit`. Raises StoreError where it cannot be used, or is of another schema."""

    def __init__(self, url: str) -> None:
        self.name = named(url)
        self.time = SharedTime()
        self._connection = _connect(url, self.name, silent=VISIT_SILENT)
        try:
            if _pending(self._connection, self.name):
                raise StoreError(f"{self.name} is of an earlier version. Run `nolone migrate`.")
            ((clock, held_back, beat, newest, _),) = self._connection.execute(_CLOCK).fetchall()
            self.time.hear(clock, held_back, max(beat, newest))
        except BaseException:
            self._connection.close()
            raise

    def run_now(self, script: Callable[[Tx], R]) -> R:
        connection = self._connection
        try:
            with connection.transaction():
                connection.execute(sql.SQL("SELECT pg_advisory_xact_lock({})").format(LEDGER))
                return script(PostgresTx(connection, streams=True))
        except LOST as e:
            raise StoreError(f"{self.name} could not be written to: {_said(e)}") from e

    def look(self, script: Callable[[Tx], R]) -> R:
        return _look(self._connection, script)

    def write_anew(self) -> None:
        """See `bot.store.tx.Visit`. The write-ahead log and its archive are the server's."""
        try:
            for table in ("openings", "words", "drafts", "requests"):
                self._connection.execute(sql.SQL("VACUUM (FULL) {}").format(sql.Identifier(table)))
        except psycopg.Error as e:
            raise StoreError(f"{self.name} could not be written anew: {_said(e)}") from e

    def close(self) -> None:
        self._connection.close()


def _look(connection: Connection[Any], script: Callable[[Tx], R]) -> R:
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        return script(PostgresTx(connection, streams=True))
    finally:
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK")


def _connect(url: str, name: str, silent: int = 0, within: float | None = None) -> Connection[Any]:
    """Raises StoreError. `silent`: see SILENT; `within`: s for a statement, without end if None."""
    try:
        connection = psycopg.connect(
            url,
            autocommit=True,  # transactions are begun by hand
            application_name="nolone",
            connect_timeout=2,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            client_encoding="UTF8",
        )
        connection.execute(
            "SELECT set_config('statement_timeout', %(within)s, false),"
            " set_config('lock_timeout', %(within)s, false),"
            " set_config('idle_in_transaction_session_timeout', %(silent)s, false),"
            " CASE WHEN current_setting('synchronous_commit') = 'off'"
            "  THEN set_config('synchronous_commit', 'on', false) END",
            {"within": str(round((within or 0) * 1000)), "silent": str(silent)},
        )
    except psycopg.Error as e:
        raise StoreError(f"{name} cannot be used: {_said(e)}") from e
    return connection


def named(url: str) -> str:
    """A database's address without its password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "the database of DATABASE_URL"
    host = parts.get("host") or "localhost"
    return f"postgresql://{host}/{parts.get('dbname') or parts.get('user') or ''}"


def _said(e: BaseException) -> str:
    """The first line of what went wrong: the rest may quote what was written."""
    return (str(e).splitlines() or [type(e).__name__])[0]


# --- the schema ----------------------------------------------------------------------------------


def _applied(connection: Connection[Any]) -> list[str]:
    ((there,),) = connection.execute("SELECT to_regclass('nolone_migrations')").fetchall()
    if there is None:
        return []
    return [n for (n,) in connection.execute("SELECT name FROM nolone_migrations").fetchall()]


def _pending(connection: Connection[Any], name: str) -> list[str]:
    """The names of the steps to be applied. Raises StoreError if the schema is of a newer version."""
    applied = _applied(connection)
    newer = sorted(set(applied) - {step.name for step in STEPS})
    if newer:
        raise StoreError(
            f"{name} was made by a newer version ({', '.join(newer)}). Run that version, or restore"
            " the backup from before the upgrade."
        )
    return [step.name for step in STEPS if step.name not in applied]


def _migrate(connection: Connection[Any], name: str) -> None:
    """Apply what is pending, one process at a time; each step is a transaction."""
    connection.execute(sql.SQL("SELECT pg_advisory_lock({})").format(SCHEMA))
    try:
        pending = _pending(connection, name)
        with connection.transaction():
            connection.execute(
                "CREATE TABLE IF NOT EXISTS nolone_migrations (name TEXT PRIMARY KEY,"
                " applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp())"
            )
        for step in STEPS:
            if step.name in pending:
                with connection.transaction():
                    # whoever decides after this finds the step, and stops where it is not theirs
                    connection.execute(sql.SQL("SELECT pg_advisory_xact_lock({})").format(LEDGER))
                    connection.execute(step.postgres.encode())
                    connection.execute(
                        "INSERT INTO nolone_migrations (name) VALUES (%(name)s)",
                        {"name": step.name},
                    )
    except psycopg.Error as e:
        raise StoreError(f"{name} could not be migrated: {_said(e)}") from e
    finally:
        connection.execute(sql.SQL("SELECT pg_advisory_unlock({})").format(SCHEMA))


# --- deadlines -----------------------------------------------------------------------------------


class _Watch:
    """Cuts a connection whose transaction has taken too long, so that whoever waits on it goes on.

    A deadline of the server's cannot do this: it may be that nothing comes from there any more.
    """

    every = 0.25  # s between two looks

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._over: tuple[Connection[Any], float] | None = None
        threading.Thread(target=self._look, name="store-watch", daemon=True).start()

    @contextlib.contextmanager
    def over(self, connection: Connection[Any], until: float) -> Iterator[None]:
        """`until` on the monotonic clock."""
        with self._lock:
            self._over = connection, until
        try:
            yield
        finally:
            with self._lock:
                self._over = None

    def _look(self) -> None:
        while not self._ended.wait(self.every):
            with self._lock:
                if self._over is not None and time.monotonic() > self._over[1]:
                    _cut(self._over[0])
                    self._over = None

    def close(self) -> None:
        self._ended.set()


def _cut(connection: Connection[Any]) -> None:
    with contextlib.suppress(OSError, psycopg.Error):
        its = socket.socket(fileno=os.dup(connection.fileno()))
        with its:
            its.shutdown(socket.SHUT_RDWR)
