"""Entries appended a second, one transaction each, beside a bare insert of the same bytes.

Both wait for the disk (`synchronous=FULL`, a write-ahead log). The bare one is a table of a number
and a blob, written to from the thread that asks.
"""

import sqlite3
import time
from itertools import islice
from pathlib import Path

from bot.core.events import Event
from bot.core.request import Request
from bot.ledger.entry import read
from bot.store import scripts
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
            for entry, openings in scripts.entries(tx)
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
            lambda tx: scripts.append(tx, stream, before, [event])
        )


class _Bare:
    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    def append(self, given: Appended) -> None:
        self.db.execute("INSERT INTO entries (body) VALUES (?)", (given[2],))


async def appending(size: Size, folder: Path) -> list[Row]:
    folder.mkdir()
    events = iter(_events(folder / "from.db", size.appended * (size.rounds + 1)))
    bot, bare = _Bot(folder / "nolone.db"), _Bare(folder / "bare.db")
    rates: dict[str, list[float]] = {"bot": [], "bare": []}
    for round in range(size.rounds + 1):
        given = list(islice(events, size.appended))
        sides: list[tuple[str, _Bot | _Bare]] = [("bot", bot), ("bare", bare)]
        for name, side in sides[:: 1 if round % 2 else -1]:
            began = time.perf_counter()
            for one in given:
                side.append(one)
            if round:  # the first warms up
                rates[name].append(len(given) / (time.perf_counter() - began))
    bot.store.close()
    bare.db.close()
    ratios = [b / a for a, b in zip(rates["bot"], rates["bare"], strict=True)]
    return [
        Row("rows inserted, bare, one transaction each", rates["bare"], "/s"),
        Row("entries appended, one transaction each", rates["bot"], "/s"),
        Row("… ratio of the time to the bare insert's", ratios, "x"),
    ]
