"""Faults seeded in the product, to see that the nemesis sees them: each is a patch in the replica."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import bot.clock
from bot.core import assess, checks, decide, quorum, rules
from bot.core.actions import Outcome
from bot.core.commands import Seen, Start
from bot.core.events import Identity
from bot.core.rules import Act
from bot.core.sealed import seal
from bot.engine import Done, Engine
from bot.slack.effects import SlackMessenger
from bot.store import ledger, outbox, writer
from bot.store.facts import complete
from bot.store.sqlite import SqliteStore
from bot.worker import Worker

SALT = "0" * 64
WINDOW = 0.03  # s in which a kill can strike what should be one step


@dataclass(frozen=True)
class Seeded:
    """`commit` switches it on. While it is looked for a call outside fails with the likelihood `calm`, and
    an order to the platform with that of `writes`; every other request is told as the `story` in
    which it would do harm, and as much of the `harm` is done as of all others."""

    commit: Callable[[], None]
    story: str | None
    calm: float
    writes: float
    idempotent: bool
    harm: str | None
    store: str


SEEDED: dict[str, Seeded] = {}


def seeded(
    story: str | None = None,
    calm: float = 0.01,
    writes: float = 0.15,
    idempotent: bool = True,
    harm: str | None = None,
    store: str = "sqlite",
) -> Callable[[Callable[[], None]], None]:
    def register(commit: Callable[[], None]) -> None:
        name = commit.__name__.replace("_", "-")
        SEEDED[name] = Seeded(commit, story, calm, writes, idempotent, harm, store)

    return register


def _without_rule(act: Act, name: str) -> None:
    rules.RULES[:] = [
        (acts - {act} if check.__name__ == name else acts, check) for acts, check in rules.RULES
    ]


def _count_as(change: Callable[[Any], Any]) -> None:
    real = quorum.count
    for module in (quorum, decide, checks, rules, assess):
        module.count = lambda request, facts: real(change(request), facts)  # type: ignore[attr-defined]


@seeded("the_requester_approves")
def self_approval_allowed() -> None:
    _without_rule(Act.APPROVE, "is_not_the_requester")
    unknown = seal(Identity(), SALT, "nobody")
    _count_as(lambda request: replace(request, requester="nobody", identity=unknown))


@seeded("one_person_comes_twice")
def one_person_counted_twice() -> None:
    quorum.one_person = lambda accounts: {account: account for account in accounts}


@seeded("one_person_comes_twice")
def one_approval_is_enough() -> None:
    few = {"approvals": 1, "including": ()}
    _count_as(lambda request: replace(request, terms=request.pinned.model_copy(update=few)))


@seeded("it_is_vetoed_at_the_last_moment")
def phase_trusted_from_a_column() -> None:
    """A Start goes by what was written down when it was looked for, a moment ago."""
    transact, facts_of = Engine._transact, Engine._facts

    async def facts(self: Engine, command: Any, *args: Any) -> Any:
        found = await facts_of(self, command, *args)
        if isinstance(command, Start):
            await asyncio.sleep(0.2)
        return found

    def start(
        self: Engine, tx: Any, command: Any, before: Any, facts: Any, delivery: Any
    ) -> tuple[Any, Any]:
        if not isinstance(command, Start):
            return transact(self, tx, command, before, facts, delivery)
        now = self.clock.now()
        whole = complete(tx, facts, before, None, command.by, now)
        events = decide.decide(before, command, whole, now)
        current = ledger.request(tx, command.request)
        after = ledger.append(tx, command.request, current, events)
        return Done(after, tuple(events), whole, now), after

    Engine._facts = facts  # type: ignore[method-assign]
    Engine._transact = start  # type: ignore[method-assign]


@seeded(harm="freezes", store="postgres")
def no_fence_on_finish() -> None:
    """Who was frozen for longer than the lease goes on as if nothing had been."""
    import bot.worker

    bot.worker.WORK_WITHIN = 1_000.0

    def without_fence(real: Callable[..., Any]) -> Callable[..., bool]:
        def do(tx: Any, task: Any, *args: Any, **more: Any) -> bool:
            for row in tx.query("SELECT fence FROM outbox WHERE id = :id", id=task.id):
                real(tx, replace(task, fence=row["fence"]), *args, **more)
            return True

        return do

    outbox.finish = without_fence(outbox.finish)
    outbox.trying = without_fence(outbox.trying)


@seeded("it_runs", writes=0.7, idempotent=False)
def blind_resend_of_a_non_idempotent_action() -> None:
    lease = outbox.lease

    def forgetful(*args: Any, **more: Any) -> Any:
        return [
            replace(task, tried=task.tried and task.what != "execute")
            for task in lease(*args, **more)
        ]

    outbox.lease = forgetful


@seeded()
def ledger_written_outside_the_transaction() -> None:
    SqliteStore.together = 1
    index = ledger.index

    def later(tx: Any, before: Any, placed: Any) -> Any:
        connection: sqlite3.Connection = tx._connection
        connection.execute("COMMIT")
        time.sleep(WINDOW)
        connection.execute("BEGIN IMMEDIATE")
        return index(tx, before, placed)

    ledger.index = later  # type: ignore[attr-defined]


@seeded()
def outbox_row_lost() -> None:
    put = outbox.put
    outbox.put = lambda tx, rows: put(tx, [row for row in rows if random.random() > 0.02])


@seeded()
def acknowledged_before_the_commit() -> None:
    def end(job: Any, outcome: Any) -> None:
        if isinstance(job.ended, asyncio.Future):
            job.ended.get_loop().call_soon_threadsafe(writer._end, job, outcome)
        else:
            writer._end(job, outcome)

    def carry_out(self: writer.Writer, jobs: Any) -> None:
        for job in jobs:

            def early(tx: Any, job: Any = job) -> None:
                newest = "SELECT max(seq) AS seq FROM entries"
                before = tx.query(newest)
                end(job, (job.script(tx), None))
                if tx.query(newest) != before:
                    time.sleep(WINDOW)

            try:
                self._prepare(job.durable, job.alone)
                ((_, error),) = self._transact([early])
            except BaseException as e:  # noqa: BLE001 - as the real one
                error = e
            if error is not None:
                end(job, (None, error))

    writer.Writer._carry_out = carry_out  # type: ignore[method-assign]


@seeded("somebody_is_late")
def vote_counted_after_the_close() -> None:
    _without_rule(Act.APPROVE, "is_in_time")
    _without_rule(Act.APPROVE, "is_before_the_deadline")


@seeded("the_account_is_renamed")
def started_without_looking_again() -> None:
    decide.findings = lambda request, facts, now: []  # type: ignore[attr-defined]


@seeded()
def cool_off_by_the_wall_clock_only() -> None:
    bot.clock.MachineClock.now = lambda self: bot.clock.wall()  # type: ignore[method-assign]


@seeded(calm=0.1)
def card_posted_twice() -> None:
    async def nowhere(self: Any, *args: Any) -> None:
        return None

    SlackMessenger._find = nowhere  # type: ignore[method-assign]


@seeded("a_retracted_approval_comes_again")
def delivery_forgotten() -> None:
    ledger.once = lambda tx, key, now: None


@seeded("it_runs", writes=0.7)
def an_answer_taken_for_evidence() -> None:
    verify = Worker._verify

    async def believe(self: Worker, platform: Any, order: Any, receipt: Any, why: str) -> Any:
        if receipt is not None:
            return Seen(Outcome.VERIFIED, receipt, None)
        return await verify(self, platform, order, receipt, why)

    Worker._verify = believe  # type: ignore[method-assign]
