"""The index that requests are found by, compared with what the entries come to.

The entries are read once more, in their order, into a database of its own that is thrown away
afterwards. A request that /audit would not find any more, or would tell otherwise, is named.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest

from sqlite_utils import Database

from bot.core.events import Event, RequestEvent
from bot.core.request import Request, evolve
from bot.ledger.entry import Entry, LedgerBroken, Opening, read
from bot.ledger.verify import Fault, Finding
from bot.store import ledger
from bot.store.index import index
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
}
_SEARCHED = {  # what the full-text index holds, where it is a table that could be another's
    # in the order that it has of itself: it is the longest, and need not be sorted
    "sqlite": {"words_held": ("'R-' || doc, term, col, \"offset\"", "1 = 1")},
    "postgres": {},
}


Told = tuple[Entry, Sequence[Opening]]  # an entry, and those of its values that are kept
Happen = Callable[[Request | None, Entry, Event, Sequence[Opening]], Request | None]


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
    with scratch() as into:

        def enter(
            before: Request | None, entry: Entry, event: Event, openings: Sequence[Opening]
        ) -> Request | None:
            return index(into, before, [(entry.seq, event, openings)])

        wrong = _happen(ledger.entries(tx), tx, enter)  # the entries themselves are not compared
        if wrong is not None:
            yield wrong
            return
        for table, (columns, order) in (_INDEX | _SEARCHED[tx.kind]).items():
            sql = f"SELECT {columns} FROM {table} ORDER BY {order}"  # noqa: S608 - ours, above
            for is_, should in zip_longest(map(tuple, tx.each(sql)), into.each(sql)):
                if is_ != should:
                    id = min(str(row[0]) for row in (is_, should) if row is not None)
                    said = f"{id} stands in {table} otherwise than its entries say"
                    yield Finding(Fault.INDEX, None, said)
                    break


def again(told: Iterable[Told], into: Tx) -> Finding | None:
    """Append every entry's event once more; what keeps one from being."""

    def append(
        before: Request | None, entry: Entry, event: Event, _: Sequence[Opening]
    ) -> Request | None:
        return ledger.append(into, entry.stream, before, [event])

    return _happen(told, into, append)


def _happen(told: Iterable[Told], kept: Tx, happen: Happen) -> Finding | None:
    """Let every entry's event happen once more; what keeps one from it. `kept` is where those before
    it are found."""
    open: dict[str, Request] = {}
    for entry, openings in told:
        try:
            event = read(entry, list(openings))
            before = open.get(entry.stream) or _before(kept, entry)
            after = happen(before, entry, event, openings)
        except (LedgerBroken, Stale, ValueError, AssertionError) as e:  # the last two: of evolve
            why = str(e) or "it cannot stand there"
            said = f"entry {entry.seq} does not follow from those before it: {why}"
            return Finding(Fault.INDEX, entry.seq, said)
        if after is not None and after.ending is None:
            open[entry.stream] = after
        else:
            open.pop(entry.stream, None)
    return None


def _before(tx: Tx, entry: Entry) -> Request | None:
    """A request that is not open, as it was before an entry of its stream; None: not there yet."""
    found: Request | None = None
    if entry.version > 1 and entry.stream not in (ledger.AUDIT, ledger.POLICY):
        for seq, event in ledger.events(tx, entry.stream):
            if seq < entry.seq and isinstance(event, RequestEvent):
                found = evolve(found, event)
    return found
