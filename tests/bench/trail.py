"""Verifying the trail: what it costs more than only hashing the same bytes, and in how much memory."""

import hashlib
import resource
import sqlite3
import time
from functools import partial
from itertools import islice
from pathlib import Path

from bot.core.events import Filed
from bot.ledger.verify import verify
from bot.store import ledger
from bot.store.migrations import STEPS
from bot.store.sqlite import SqliteStore, SqliteVisit
from bot.store.trail import Trail, columns
from bot.store.tx import Tx

from .rows import Row, Size

ROUNDS = 3
BATCH = 10_000


def entry(n: int) -> tuple[int, str, int, int, str, str, bytes]:
    """An entry of 300 bytes."""
    at, stream = 1_790_000_000_000 + n, f"R-{n}"
    start = b'{"actor":"U02REVIEWER","at":%d,"data":{"digest":"' % at
    end = b'"},"kind":"Approved","seq":%d,"stream":"%b","v":1,"version":2}' % (n, stream.encode())
    body = start + b"5a" * ((300 - len(start) - len(end)) // 2) + end
    return n, stream, 2, at, "Approved", "U02REVIEWER", body


def build(path: Path, n: int) -> None:
    store = SqliteStore(path)
    store.migrate()
    store.close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    rows = (entry(seq) for seq in range(1, n + 1))
    db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    (grow,) = (step.fill for step in STEPS if step.name == "0002 tree")
    assert grow is not None
    grow(db)
    db.execute("COMMIT")
    db.close()


def multiply(path: Path, stream: str, entries: int) -> None:
    """Let a request that has ended happen over and over, until there are so many entries more."""

    def again(tx: Tx, first: int, n: int) -> None:
        for id in (f"R-{first + i}" for i in range(n)):
            happened = [
                event.model_copy(update={"request": id}) if isinstance(event, Filed) else event
                for event in life
            ]
            ledger.append(tx, id, None, happened)
        tx.execute("DELETE FROM outbox")

    store = SqliteStore(path)
    life = [event for _, event in store.run_now(lambda tx: ledger.events(tx, stream))]
    for first in range(1_000, 1_000 + entries // len(life), 500):
        store.run_now(partial(again, first=first, n=500))
    store.close()


def bare(path: Path) -> float:
    """Seconds that hashing the entries takes, reading them left out."""
    took = 0.0
    db = sqlite3.connect(path)
    bodies = db.execute("SELECT body FROM entries ORDER BY seq")
    sha256 = hashlib.sha256
    while batch := [body for (body,) in islice(bodies, BATCH)]:
        began = time.process_time()
        for body in batch:
            sha256(body).digest()
        took += time.process_time() - began
    db.close()
    return took


def verifying(path: Path, n: int) -> float:
    """Seconds that it takes to read the entries, their tree and their columns, and compare them."""

    def script(tx: Tx) -> None:
        found = verify(Trail(tx))
        assert (found.size, found.findings) == (n, ())
        assert list(columns(tx)) == []

    began = time.process_time()
    visit = SqliteVisit(path)
    visit.look(script)
    visit.close()
    return time.process_time() - began


async def trail(size: Size, folder: Path) -> list[Row]:
    folder.mkdir()
    path, n = folder / "nolone.db", size.entries
    build(path, n)
    few = folder / "few.db"
    build(few, n // 10)
    verifying(few, n // 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours, bares = [], []
    for _ in range(ROUNDS):
        bares.append(bare(path))
        ours.append(verifying(path, n))
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return [
        Row(f"hashing {n:,} entries of 300 bytes, bare", bares, "s"),
        Row(f"verifying {n:,} entries of 300 bytes", ours, "s"),
        Row("verifying, ratio", [a / b for a, b in zip(ours, bares, strict=True)], "x", most=8.0),
        Row("memory beyond that for a tenth of them", [more], "MB", most=8.0),
    ]
