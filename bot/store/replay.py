"""The index that requests are found by, compared with what the entries come to.

The entries are read once more, in their order, into a database of its own that is thrown away
afterwards. A request that /audit would not find any more, or would tell otherwise, is named.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import zip_longest

from sqlite_utils import Database

from bot.core.events import Event
from bot.core.request import Request
from bot.ledger.entry import LedgerBroken
from bot.ledger.verify import Fault, Finding
from bot.store import scripts
from bot.store.migrations import migrations
from bot.store.sqlite import SqliteTx
from bot.store.tx import Stale, Tx

# not due_at: it says when the worker looks again, and whatever it says, it looks
_INDEX = {
    "requests": (
        "id, n, version, action, tier, subject, handle, requester, filed_at, undoes, quorum_at,"
        " eta, started_seq, unknown_since, phase, ended_at, outcome, approved_at, expires_at",
        "id",
    ),
    "involved": ("request, person, role, at", "request, person, role"),
    "claims": ("holder, subject", "holder, subject"),
    "words": ("'R-' || n, text", "n"),
    # in the order that it has of itself: it is the longest, and need not be sorted
    "words_held": ("'R-' || doc, term, col, \"offset\"", "1 = 1"),
}


Told = tuple[int, str, Callable[[], Event]]  # an entry's seq and stream, and how its event is read


@contextmanager
def scratch() -> Iterator[Tx]:
    """A database of its own, in a temporary file, that is thrown away afterwards."""
    connection = sqlite3.connect("", isolation_level=None)
    try:
        migrations().apply(Database(connection))
        connection.execute("BEGIN")
        yield SqliteTx(connection)
    finally:
        connection.close()


def replay(tx: Tx) -> Iterator[Finding]:
    """The first difference of each table."""
    entries = tx.each("SELECT seq, stream FROM entries ORDER BY seq")
    told = ((seq, stream, partial(scripts.event_at, tx, seq)) for seq, stream in entries)
    with scratch() as into:
        wrong = again(told, into)
        if wrong is not None:
            yield wrong
            return
        for table, (columns, order) in _INDEX.items():
            sql = f"SELECT {columns} FROM {table} ORDER BY {order}"  # noqa: S608 - ours, above
            for is_, should in zip_longest(tx.each(sql), into.each(sql)):
                if is_ != should:
                    id = min(str(row[0]) for row in (is_, should) if row is not None)
                    said = f"{id} stands in {table} otherwise than its entries say"
                    yield Finding(Fault.INDEX, None, said)
                    break


def again(told: Iterable[Told], into: Tx) -> Finding | None:
    """Append every entry's event once more; what keeps one from being."""
    open: dict[str, Request] = {}
    for seq, stream, event in told:
        try:
            before = open.get(stream) or _request(into, stream)
            after = scripts.append(into, stream, before, [event()])
        except (LedgerBroken, Stale) as e:
            return Finding(
                Fault.INDEX, seq, f"entry {seq} does not follow from those before it: {e}"
            )
        if after is not None and after.ending is None:
            open[stream] = after
        else:
            open.pop(stream, None)
    return None


def _request(tx: Tx, stream: str) -> Request | None:
    return None if stream in (scripts.AUDIT, scripts.POLICY) else scripts.request(tx, stream)
