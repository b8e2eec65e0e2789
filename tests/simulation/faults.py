"""Faults of the product, each switched on by a patch: what the simulator has to see."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import bot.clock
import bot.core.checks
import bot.core.decide
import bot.core.quorum
import bot.core.request
import bot.core.rules
import bot.known
import bot.store.index
import bot.store.ledger
import bot.store.outbox
import bot.worker
from bot.core.events import RequestEvent, Vetoed
from bot.core.request import Phase, Request
from bot.store.outbox import Task
from bot.store.tx import Tx, Values
from bot.worker import Worker

Patch = AbstractContextManager[Any]


def _without_rules(*names: str) -> Patch:
    kept = [r for r in bot.core.rules.RULES if r[1].__name__ not in names]
    assert len(kept) < len(bot.core.rules.RULES)
    return patch.object(bot.core.rules, "RULES", kept)


def own_request_approved() -> Sequence[Patch]:
    return [_without_rules("is_not_the_requester")]


def one_human_counts_twice() -> Sequence[Patch]:
    return [patch.object(bot.core.quorum, "one_person", lambda accounts: {a: a for a in accounts})]


def anybody_approves() -> Sequence[Patch]:
    return [_without_rules("is_a_reviewer_now", "was_a_reviewer_at_filing")]


def vote_after_the_end() -> Sequence[Patch]:
    return [_without_rules("is_in_time")]


def veto_after_the_quorum_is_ignored() -> Sequence[Patch]:
    was = bot.core.request._next

    def forgets(request: Request, event: RequestEvent) -> Request:
        ignored = isinstance(event, Vetoed) and request.quorum_at is not None
        return request if ignored else was(request, event)

    return [patch.object(bot.core.request, "_next", forgets)]


def start_without_a_recheck() -> Sequence[Patch]:
    return [patch.object(bot.core.decide, "findings", lambda request, facts, now: [])]


def cool_off_is_ignored_at_start() -> Sequence[Patch]:
    was = Request.phase

    def impatient(request: Request, now: int) -> Phase:
        phase = was(request, now)
        return Phase.READY if phase is Phase.COOLING_OFF else phase

    return [patch.object(Request, "phase", impatient)]


def cool_off_by_the_wall_clock() -> Sequence[Patch]:
    return [patch.object(bot.clock.MachineClock, "now", lambda self: bot.clock.wall())]


def groups_are_believed_for_an_hour() -> Sequence[Patch]:
    return [patch.object(bot.known, "FRESH_FOR", 3_600_000)]


def deliveries_are_counted_twice() -> Sequence[Patch]:
    return [patch.object(bot.store.ledger, "once", lambda tx, key, now: None)]


def subject_is_claimed_by_two() -> Sequence[Patch]:
    was = bot.store.index._enter

    def takes(tx: Tx, request: Request) -> None:
        tx.execute("DELETE FROM claims WHERE subject = :s", s=str(request.subject.value))
        was(tx, request)

    return [patch.object(bot.store.index, "_enter", takes), _without_rules("is_the_only_request")]


def claim_is_not_released() -> Sequence[Patch]:
    was = bot.store.index._derive

    def holds(tx: Tx, request: Request, *rest: Any) -> None:
        was(tx, request, *rest)
        if request.ending is not None and request.ending.phase is Phase.EXPIRED:
            tx.execute(
                "INSERT INTO claims (subject, holder) VALUES (:s, :id) ON CONFLICT DO NOTHING",
                s=str(request.subject.value),
                id=request.id,
            )

    return [patch.object(bot.store.index, "_derive", holds)]


def outbox_row_is_lost() -> Sequence[Patch]:
    was = bot.store.outbox.put

    def loses(tx: Tx, rows: Sequence[Values]) -> None:
        was(tx, [row for row in rows if row["what"] != "thread" or hash(row["key"]) % 50])

    return [patch.object(bot.store.outbox, "put", loses)]


def nothing_is_looked_for_before_it_is_sent_again() -> Sequence[Patch]:
    was = bot.store.outbox.lease

    def forgets(*args: Any) -> list[Task]:
        return [replace(task, tried=False) for task in was(*args)]

    return [patch.object(bot.store.outbox, "lease", forgets)]


def blind_second_order() -> Sequence[Patch]:
    """To a platform that does not know orders again."""
    was = Worker._carry_out

    async def blind(self: Worker, task: Task, *rest: Any) -> Any:
        return await was(self, replace(task, tried=False), *rest)

    return [patch.object(Worker, "_carry_out", blind)]


def no_lease_is_held_to() -> Sequence[Patch]:
    """Whoever was frozen goes on as if nothing had been."""

    def trying(tx: Tx, task: Task, now: int) -> bool:
        tx.execute("UPDATE outbox SET tried = 1 WHERE id = :id", id=task.id)
        return True

    return [
        patch.object(bot.store.outbox, "trying", trying),
        patch.object(bot.worker, "WORK_WITHIN", 3_600.0),
    ]


FAULTS: list[Callable[[], Sequence[Patch]]] = [
    own_request_approved,
    one_human_counts_twice,
    anybody_approves,
    vote_after_the_end,
    veto_after_the_quorum_is_ignored,
    start_without_a_recheck,
    cool_off_is_ignored_at_start,
    cool_off_by_the_wall_clock,
    groups_are_believed_for_an_hour,
    deliveries_are_counted_twice,
    subject_is_claimed_by_two,
    claim_is_not_released,
    outbox_row_is_lost,
    nothing_is_looked_for_before_it_is_sent_again,
    blind_second_order,
    no_lease_is_held_to,
]


def switched_on(fault: Callable[[], Sequence[Patch]]) -> ExitStack:
    """The product with this fault, until the context is left."""
    stack = ExitStack()
    for one in fault():
        stack.enter_context(one)
    return stack
