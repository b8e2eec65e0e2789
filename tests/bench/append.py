"""What it takes to append an entry in a transaction of its own, beside a bare insert of its bytes.

Both wait for the disk (`synchronous=FULL`, a write-ahead log), and each writes through a thread of its
own. The bare one has a table of a number and a blob.
"""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from statistics import median

from bot.core.events import Event
from bot.core.request import Request
from bot.ledger.entry import read
from bot.store import ledger
from bot.store.sqlite import SqliteStore, SqliteVisit
from bot.store.tx import Tx

from .build import build
from .rows import Row, Size

Appended = tuple[str, Event, bytes]  # stream, event, the entry's bytes


def _events(path: Path, n: int) -> list[Appended]:
    """What happened first in a trail of many requests."""
    build(n, path)

    def script(tx: Tx) -> list[Appended]:
        return [
            (entry.stream, read(entry, openings), entry.body)
            for entry, openings in ledger.entries(tx)
        ]

    visit = SqliteVisit(path)
    found = visit.look(script)
    visit.close()
    return found


class _Bot:
    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path)
        self.store.migrate()
        self._requests: dict[str, Request | None] = {}

    def append(self, given: Appended) -> None:
        stream, event, _ = given
        before = self._requests.get(stream)
        self._requests[stream] = self.store.run_now(
            lambda tx: ledger.append(tx, stream, before, [event])
        )


class _Bare:
    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._db = self._thread.submit(self._open, path).result()

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        return db

    def append(self, given: Appended) -> None:
        sql = "INSERT INTO entries (body) VALUES (?)"
        self._thread.submit(self._db.execute, sql, (given[2],)).result()

    def close(self) -> None:
        self._thread.submit(self._db.close).result()
        self._thread.shutdown()


def _took(side: _Bot | _Bare, given: Appended) -> float:
    began = time.perf_counter()
    side.append(given)
    return (time.perf_counter() - began) * 1000


async def appending(size: Size, folder: Path) -> list[Row]:
    """Bot and bare insert entry by entry in turns; of each round the median entry counts."""
    folder.mkdir()
    events = iter(_events(folder / "from.db", size.appended * (size.rounds + 1)))
    bot, bare = _Bot(folder / "nolone.db"), _Bare(folder / "bare.db")
    ours: list[float] = []
    bares: list[float] = []
    for round in range(size.rounds + 1):
        times = [(_took(bot, one), _took(bare, one)) for one in islice(events, size.appended)]
        if round:  # the first warms up
            ours.append(median(took for took, _ in times))
            bares.append(median(took for _, took in times))
    bot.store.close()
    bare.close()
    ratios = [a / b for a, b in zip(ours, bares, strict=True)]
    return [
        Row("a row inserted, bare, in a transaction of its own", bares, "ms"),
        Row("an entry appended, in a transaction of its own", ours, "ms"),
        Row("… entries a second, one after the other", [1000 / took for took in ours], "/s"),
        Row("… ratio to the bare insert", ratios, "x"),
    ]
