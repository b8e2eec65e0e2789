"""The index that requests are found by, compared with what the entries come to.

The entries are read once more, in their order, into a database of its own that is thrown away
afterwards. A request that /audit would not find any more, or would tell otherwise, is named.
"""

import sqlite3
from collections.abc import Iterator
from itertools import zip_longest

from sqlite_utils import Database

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
        " eta, started_seq, unknown_since, phase, ended_at, outcome",
        "id",
    ),
    "involved": ("request, person, role, at", "request, person, role"),
    "claims": ("holder, subject", "holder, subject"),
    "words": ("'R-' || n, text", "n"),
    # in the order that it has of itself: it is the longest, and need not be sorted
    "words_held": ("'R-' || doc, term, col, \"offset\"", "1 = 1"),
}


def replay(tx: Tx) -> Iterator[Finding]:
    """The first difference of each table."""
    connection = sqlite3.connect("", isolation_level=None)  # a temporary file
    try:
        migrations().apply(Database(connection))
        connection.execute("BEGIN")
        again = SqliteTx(connection)
        wrong = _again(tx, again)
        if wrong is not None:
            yield wrong
            return
        for table, (columns, order) in _INDEX.items():
            sql = f"SELECT {columns} FROM {table} ORDER BY {order}"  # noqa: S608 - ours, above
            for is_, should in zip_longest(tx.each(sql), again.each(sql)):
                if is_ != should:
                    id = min(str(row[0]) for row in (is_, should) if row is not None)
                    said = f"{id} stands in {table} otherwise than its entries say"
                    yield Finding(Fault.INDEX, None, said)
                    break
    finally:
        connection.close()


def _again(tx: Tx, again: Tx) -> Finding | None:
    """Append every entry's event once more; what keeps one from being."""
    open: dict[str, Request] = {}
    for seq, stream in tx.each("SELECT seq, stream FROM entries ORDER BY seq"):
        try:
            event = scripts.event_at(tx, seq)
            before = open.get(stream) or _request(again, stream)
            after = scripts.append(again, stream, before, [event])
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
