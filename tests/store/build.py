"""Requests in a database, put there as the engine does: read, decide and append in a transaction."""

from dataclasses import replace

from bot.core.commands import Command, File, Restore, Start
from bot.core.decide import decide
from bot.core.facts import Facts
from bot.core.request import Request
from bot.store import ledger, outbox
from bot.store.facts import complete
from bot.store.outbox import Task
from bot.store.tx import Tx
from tests.core.build import (
    ANN,
    NOW,
    OBSCURE,
    STANDARD,
    SUBJECT,
    approve,
    file,
    record,
    seen,
    snapshot,
)

from .backends import Connection

LATER = NOW + 5 * 60_000  # when the cool-off of what got its quorum at NOW is over
LEASE = 30_000


def given(tx: Tx, command: Command, facts: Facts = STANDARD, now: int = NOW) -> Request:
    """The request after `command`."""
    starts = isinstance(command, File | Restore)
    before = None if isinstance(command, File) else ledger.request(tx, command.request)
    subject = command.subject if isinstance(command, File) else None
    whole = complete(tx, facts, before, subject, command.by, now)
    happened = decide(before, command, whole, now)
    stream = whole.next_id if starts else command.request
    after = ledger.append(tx, stream, None if starts else before, happened)
    assert after is not None
    return after


def give(store: Connection, command: Command, facts: Facts = STANDARD, now: int = NOW) -> Request:
    return store.run_now(lambda tx: given(tx, command, facts, now))


def filed(store: Connection) -> Request:
    return give(store, file())


def about(id: str) -> tuple[File, Facts]:
    """A File about an account of its own, and the facts that go with it: no claim is in the way."""
    subject = SUBJECT.model_copy(update={"id": id})
    found = snapshot(subject=subject, followers=OBSCURE)
    return file(subject=subject), replace(STANDARD, subject=found)


def deliver(store: Connection, now: int = NOW) -> list[Task]:
    """Bring every outbox row that is no order to its end, each in Slack at a ts of its own."""
    done: list[Task] = []

    def work_off(task: Task) -> None:
        store.run_now(lambda tx: outbox.trying(tx, task, now))
        where = ("C02REV", f"{len(done)}.0")
        assert store.run_now(lambda tx: outbox.finish(tx, task, where))
        done.append(task)

    while tasks := [t for t in lease(store, now) if t.what != "execute"]:
        for task in tasks:
            work_off(task)
    return done


def lease(store: Connection, now: int = NOW, limit: int = 20) -> list[Task]:
    return store.run_now(lambda tx: outbox.lease(tx, now, now + LEASE, limit))


def cooling(store: Connection) -> Request:
    request = filed(store)
    request = give(store, approve(request, ANN))
    deliver(store)
    return request


def executed(store: Connection) -> Request:
    request = cooling(store)
    request = give(store, Start(request.id), now=LATER)
    (order,) = (t for t in lease(store, LATER) if t.what == "execute")
    request = give(store, record(request, seen()), now=LATER)
    assert store.run_now(lambda tx: outbox.finish(tx, order))
    return request


def rows(store: Connection, sql: str, **params: object) -> list[tuple[object, ...]]:
    return store.run_now(lambda tx: [tuple(r.values()) for r in tx.query(sql, **params)])


TABLES = (
    "entries",
    "openings",
    "deliveries",
    "requests",
    "involved",
    "claims",
    "outbox",
    "posts",
    "drafts",
)


def everything(store: Connection) -> dict[str, list[tuple[object, ...]]]:
    """All that is stored, to compare with."""
    return {table: rows(store, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}
