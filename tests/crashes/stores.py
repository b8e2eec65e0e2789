"""The databases that the nemesis has at its mercy."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import psycopg

from bot.store.database import open_visit
from bot.store.trail import verify_trail
from tests.postgres import server

from .checker import Entry, entry
from .proxy import Proxy

DISK = 48_000_000  # bytes of the file system that the database is on
ENTRIES = "SELECT seq, stream, version, at, kind, actor, body FROM entries ORDER BY seq"
OPENINGS = "SELECT seq, field, value FROM openings"
OUTBOX = "SELECT key FROM outbox ORDER BY id"
LEFT = "SELECT (SELECT count(*) FROM requests WHERE phase IS NULL) + (SELECT count(*) FROM outbox)"

SCHEMA = "nemesis"
SETTABLE_CLOCK = b"""
    CREATE SCHEMA nemesis;
    CREATE TABLE nemesis.nemesis_clock AS SELECT 0::bigint AS off;
    CREATE FUNCTION nemesis.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    $$ SELECT pg_catalog.clock_timestamp() + off * interval '1 ms' FROM nemesis.nemesis_clock $$;
"""


class Base(Protocol):
    """A database."""

    name: str
    replicas: int

    def url(self, replica: int) -> str: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query says, past the bot."""
        ...

    def verified(self) -> Sequence[str]:
        """What `nolone audit verify` finds wrong."""
        ...


def entries(base: Base) -> list[Entry]:
    openings: dict[int, dict[str, str]] = defaultdict(dict)
    for seq, field, value in base.rows(OPENINGS):
        openings[seq][field] = value
    return [entry(row, openings) for row in base.rows(ENTRIES)]


class Disk:
    """A small file system in memory, that can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def mount(self) -> None:
        self.folder.mkdir(exist_ok=True)
        size = f"size={DISK}"
        command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.folder)]
        subprocess.run(command, check=True)

    def unmount(self) -> None:
        """What is on it is kept beside it."""
        shutil.copytree(self.folder, self.folder.with_name("kept"), dirs_exist_ok=True)
        subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def fill(self) -> None:
        with self._filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)


class Sqlite:
    name = "sqlite"
    replicas = 1

    def __init__(self, folder: Path) -> None:
        self.disk = Disk(folder / "disk")
        self._path = folder / "disk" / "nolone.db"

    def url(self, replica: int) -> str:
        return f"sqlite:///{self._path}"

    async def start(self) -> None:
        await asyncio.to_thread(self.disk.mount)

    async def stop(self) -> None:
        await asyncio.to_thread(self.disk.unmount)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()

    def verified(self) -> Sequence[str]:
        return verified(self.url(0))


class Postgres:
    """Its clock is one that can be set: a function that is found before PostgreSQL's own. Each
    replica has a way of its own to it."""

    name = "postgres"
    replicas = 2

    def __init__(self, folder: Path) -> None:
        self.ways: list[Proxy] = []
        self._at = server().create()

    def url(self, replica: int) -> str:
        database = self._at.partition("@/")[2].partition("?")[0]
        options = quote(f"-csearch_path={SCHEMA},pg_catalog")
        plain = "sslmode=disable&gssencmode=disable"
        where = f"127.0.0.1:{self.ways[replica].port}"
        return f"postgresql://postgres@{where}/{database}?{plain}&options={options}"

    async def start(self) -> None:
        with psycopg.connect(self._at, autocommit=True) as connection:
            connection.execute(SETTABLE_CLOCK)
        (socket,) = Path(server().socket).glob(".s.PGSQL.*[0-9]")
        self.ways = [Proxy(socket) for _ in range(self.replicas)]
        for way in self.ways:
            await way.start()

    async def stop(self) -> None:
        for way in self.ways:
            await way.stop()

    def crash(self) -> None:
        """As the machine's power goes: nothing is finished, and it has to recover."""
        server().crash()

    def start_again(self) -> None:
        for _ in range(20):
            try:
                server().start()
                return
            except (AssertionError, subprocess.SubprocessError):  # it still recovers
                time.sleep(0.3)
        raise RuntimeError("PostgreSQL does not start again")

    def set_clock(self, ms: int) -> None:
        """Set it to so far from the true time."""
        with self._connect() as connection:
            connection.execute("UPDATE nemesis_clock SET off = %s", (ms,))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._connect() as connection:
            return connection.execute(sql.encode()).fetchall()

    def verified(self) -> Sequence[str]:
        return verified(f"{self._at}&options={quote(f'-csearch_path={SCHEMA},pg_catalog')}")

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._at, autocommit=True, options=f"-csearch_path={SCHEMA},pg_catalog"
        )


def verified(url: str) -> Sequence[str]:
    visit = open_visit(url)
    try:
        return [str(finding) for finding in visit.look(verify_trail).findings]
    finally:
        visit.close()


def may_mount() -> bool:
    return os.geteuid() == 0
