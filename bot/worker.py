"""The loop: what is due, leases, the outbox. It gives the engine the commands that time brings."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

from bot.audit.export import ExportError, Unfit
from bot.audit.exporting import Exporter
from bot.core.actions import ACTIONS, Order, Outcome, Receipt
from bot.core.commands import (
    Expire,
    Finding,
    NothingHappened,
    Recheck,
    Record,
    Refusal,
    Seen,
    Start,
    Unclear,
)
from bot.core.decide import Refused
from bot.core.events import ExecutionStarted, Queried
from bot.core.request import WAITING, Execution, Phase, Request
from bot.core.subject import AccountState, Observed
from bot.doing import doing
from bot.engine import Engine
from bot.ledger.entry import LedgerBroken
from bot.ports import (
    STILL_OURS,
    Fate,
    Messenger,
    NotDelivered,
    Platform,
    PlatformError,
    Post,
)
from bot.store import digest, due, ledger, outbox, pace, undelivered
from bot.store.outbox import Task
from bot.store.shared_time import up
from bot.store.tx import StoreError, Tx

log = logging.getLogger(__name__)

LEASE = 30_000  # ms that a row is ours
WORK_WITHIN = 25.0  # s on a clock that is never set: ends before the lease does
OBSERVE_FOR = 10_000  # ms that the effect is looked for after the platform answered
OBSERVE_EVERY = 200  # ms
WAIT_AGAIN = 1_000  # ms until a Start that had to wait is tried again
UNKNOWN_AGAIN = 10_000  # ms between two looks at an effect that is not known
RETRY_MOST = 60_000  # ms, the longest pause between two tries of a delivery
EXPORT_TRIES = 10  # at an export that is refused to whoever asked
AT_ONCE = 16  # tasks at a time
LOOK_ANYWAY = 30_000  # ms between two rounds at most: another process may have appended
LOOK_SHARED = 1_000  # ms, where others serve the same database and may have died


class Worker:
    """Runs until cancelled. `wake` makes it look at once; every commit does that."""

    def __init__(self, engine: Engine, messenger: Messenger, exports: Exporter) -> None:
        self.engine = engine
        self.wake = asyncio.Event()
        self.seen_at = engine.clock.now()  # when the loop last went round (ms)
        self.leases_lost: Counter[str] = Counter()  # rows that turned out to be another's, by kind
        self._messenger = messenger
        self._exports = exports
        self._stopped_by: Exception | None = None
        self._running: dict[asyncio.Task[None], Task | str] = {}  # and what is held for each
        self._finishing = False
        self.waits: list[Callable[[], None]] = []  # called when a Start has to wait
        engine.committed.append(lambda done: self.wake.set())

    async def run(self) -> None:
        store = self.engine.store
        if not store.shared:
            await store.run(due.free_leases)
        now = self.engine.clock.now()
        await store.run(lambda tx: ledger.forget_deliveries(tx, now), alone=False)
        look_anyway = LOOK_SHARED if store.shared else LOOK_ANYWAY
        try:
            while self._stopped_by is None:
                self.wake.clear()
                try:
                    await self.round()
                    at = await store.run(due.next_event, alone=False)
                except StoreError as e:  # the disk is full, perhaps: it is looked at again
                    log.error("%s", e)
                    at = self.seen_at + WAIT_AGAIN
                anyway = self.seen_at + look_anyway
                if len(self._running) >= AT_ONCE or at is None:
                    at = anyway  # if it is full, one of them wakes us when it ends
                else:  # nothing of that instant is left to begin
                    at = min(max(at, self.seen_at + 1), anyway)
                await self.engine.clock.wait(at, self.wake)
            raise self._stopped_by
        finally:
            self._finishing = True
            held = [*self._running.values()]
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            await self._hand_back(held)

    async def finish(self, within: float) -> None:
        """Begin nothing more, and give what is under way `within` s to end."""
        self._finishing = True
        if self._running:
            await asyncio.wait(self._running, timeout=within)

    async def _hand_back(self, held: Sequence[Task | str]) -> None:
        """What is not done is anybody's at once: nobody has to wait until our leases end."""
        now = self.engine.clock.now()

        def script(tx: Tx) -> None:
            outbox.hand_back(tx, [one for one in held if isinstance(one, Task)])
            for id in held:
                if isinstance(id, str):
                    due.look_again(tx, id, now)

        if held:
            with contextlib.suppress(StoreError):  # then they end by themselves
                await self.engine.store.run(script, alone=False)

    def stop(self, why: Exception) -> None:
        """End `run` with this: nothing may go on."""
        self._stopped_by = why
        self.wake.set()

    async def round(self) -> None:
        """Begin everything that is due and not under way."""
        if self._finishing:
            return
        now = self.seen_at = self.engine.clock.now()
        room = max(0, AT_ONCE - len(self._running))
        rates = self._messenger.rates

        def take(tx: Tx) -> tuple[list[str], list[Task], int]:
            until = now + LEASE
            ids = due.due_requests(tx, now, until)
            tasks = outbox.lease(tx, now, until, room, rates)
            digest.begin(tx, now)
            return ids, tasks, ledger.version(tx, ledger.POLICY)

        deadline = up() + round(WORK_WITHIN * 1000)
        # void after a restart: see free_leases
        ids, tasks, policy = await self.engine.store.run(take, durable=False, alone=False)
        for id in ids:
            self._begin(f"request/{id}", self._look_at(id), id)
        for task in tasks:
            self._begin(
                f"{task.what} of {task.stream}/{task.seq}", self._work_off(task, deadline), task
            )
        if policy != self.engine.policy_version:
            await self.engine.follow_policy()

    async def settled(self) -> None:
        """Return when nothing is due and nothing under way (for tests and for draining)."""
        while True:
            await self.round()
            if not self._running:
                return
            await asyncio.gather(*self._running, return_exceptions=True)

    def _begin(self, name: str, work: Coroutine[Any, Any, None], held: Task | str) -> None:
        # never left out because the same is still under way: that one may have done its last look
        # already, and what was taken from the database would lie there until its lease ends
        context = copy_context()  # its own, and that of what is said when it ends
        task = asyncio.create_task(work, name=name, context=context)
        self._running[task] = held

        def ended(done: asyncio.Task[None]) -> None:
            self._running.pop(done, None)
            self.wake.set()
            if not done.cancelled() and (e := done.exception()) is not None:
                log.error("%s failed", name, exc_info=e)
                if isinstance(e, LedgerBroken):
                    self.stop(e)

        task.add_done_callback(ended, context=context)

    # --- requests whose time has come -----------------------------------------------------------

    async def _look_at(self, id: str) -> None:
        doing(stream=id)
        request = await self.engine.request(id)
        assert request is not None
        now = self.engine.clock.now()
        again: int | None = None
        match request.phase(now):
            case Phase.OPEN if now < request.deadline:
                again = request.deadline
            case Phase.OPEN:
                await self._give(Expire(id))
            case Phase.READY if request.run_by is not None and now >= request.run_by:
                await self._give(Expire(id))
            case Phase.READY:
                if (why := await self._give(Start(id))) is None:
                    return
                await self._waits(id, why)
                again = now + WAIT_AGAIN
            case Phase.COOLING_OFF:
                again = request.eta
            case Phase.UNKNOWN:
                assert request.execution is not None
                finding = await self._observe_unknown(request, request.execution)
                await self._give(Record(id, request.execution.attempt, finding))
                again = now + UNKNOWN_AGAIN
        if again is not None:
            at, version, now = again, request.version, self.engine.clock.now()
            await self.engine.store.run(
                lambda tx: due.look_again_unless_changed(tx, id, version, at, now), alone=False
            )

    async def _give(self, command: Start | Expire | Record | Recheck) -> str | None:
        """The reason if it was refused."""
        try:
            await self.engine.handle(command)
        except Refused as e:
            return str(e)
        return None

    async def _waits(self, id: str, why: str) -> None:
        if await self.engine.store.run(lambda tx: due.wait(tx, id, why), alone=False):
            await self._refresh_card(id)
            for call in self.waits:
                call()

    async def _refresh_card(self, id: str) -> None:
        now = self.engine.clock.now()
        await self.engine.store.run(lambda tx: outbox.refresh_card(tx, id, now), alone=False)
        self.wake.set()

    async def look_now(self, id: str) -> None:
        """Look at a request at once, whatever it waits for."""
        now = self.engine.clock.now()
        await self.engine.store.run(lambda tx: due.look_again(tx, id, now), alone=False)
        self.wake.set()

    async def people_changed(self) -> None:
        """Judge everything open anew, and show it: who may decide has changed."""
        for id in await self.engine.store.run(due.still_open, alone=False):
            request = await self.engine.request(id)
            if request is not None and request.phase(self.engine.clock.now()) in WAITING:
                await self._give(Recheck(id))
                await self._refresh_card(id)

    async def _observe_unknown(self, request: Request, execution: Execution) -> Finding:
        """Look at an effect that is not known; it is never brought about again."""
        order = execution.order.open
        platform = self.engine.platforms.get(order.subject.platform)
        if platform is None:
            return Unclear(f"the platform {order.subject.platform} is not configured")
        try:
            seen = await platform.observe(order.subject)
        except PlatformError as e:
            return Unclear(str(e))
        if seen.state is ACTIONS[order.action].wanted:
            return Seen(_whose(order, seen, sent=True), None, seen)
        late = self.engine.clock.now() > order.not_after + LEASE
        if late and seen.state is not AccountState.UNKNOWN:
            return NothingHappened("nothing changed on the platform")
        return Unclear("nothing is to be seen yet")

    # --- outbox rows ----------------------------------------------------------------------------

    async def _work_off(self, task: Task, deadline: int) -> None:
        """`deadline` (ms, as `up` counts) is before the end of the lease, whatever has passed of it."""
        doing(stream=task.stream, seq=task.seq, what=task.what)
        match task.what:
            case "execute":
                await self._execute(task, deadline)
            case "export":
                await self._export(task)
            case _:
                await self._deliver(task, deadline)

    async def _export(self, task: Task) -> None:
        """Make the file that was asked for, and record it: then it is sent."""
        now = self.engine.clock.now()
        if not await self.engine.store.run(lambda tx: outbox.trying(tx, task, now), alone=False):
            self.leases_lost[task.what] += 1
            return
        event = await self.engine.store.run(lambda tx: ledger.event_at(tx, task.seq), alone=False)
        assert isinstance(event, Queried)
        try:
            command = await self._exports.command(event)
            if command is not None:
                # once, however often it is tried
                await self.engine.handle(command, f"{task.stream}/{task.seq}/export")
        except (Refused, ExportError, Unfit) as e:
            # Slack may not be able to say who somebody is; but who is no manager any more is not
            # given a file for asking when they were
            if isinstance(e, Refused) and task.attempts >= EXPORT_TRIES:
                log.warning("export of %s/%s: %s", task.stream, task.seq, e)
            else:
                until, text = self.engine.clock.now() + RETRY_MOST, str(e)
                await self.engine.store.run(
                    lambda tx: outbox.put_off(tx, task, until, text, tried=False), alone=False
                )
                return
        await self.engine.store.run(lambda tx: outbox.finish(tx, task), alone=False)

    async def _deliver(self, task: Task, deadline: int) -> None:
        now = self.engine.clock.now()
        if not await self.engine.store.run(lambda tx: outbox.trying(tx, task, now), alone=False):
            self.leases_lost[task.what] += 1
            return
        STILL_OURS.set(lambda: up() <= deadline)
        try:
            async with asyncio.timeout(max(0, deadline - up()) / 1000):
                post = await self._messenger.deliver(
                    task.key, task.stream, task.seq, task.what, task.recipient, task.tried
                )
        except NotDelivered as e:
            await self._not_delivered(task, e)
        except TimeoutError:
            late = NotDelivered("Slack did not answer", retry_after_ms=1000, unclear=True)
            await self._not_delivered(task, late)
        else:
            now = self.engine.clock.now()
            if not await self.engine.store.run(partial(_delivered, task, post, now), alone=False):
                self.leases_lost[task.what] += 1

    async def _not_delivered(self, task: Task, e: NotDelivered) -> None:
        if e.final:
            log.warning("%s of %s/%s: %s", task.what, task.stream, task.seq, e)
        now = self.engine.clock.now()
        await self.engine.store.run(partial(_put_off, task, e, now), alone=False)

    async def _execute(self, task: Task, deadline: int) -> None:
        """Carry out the order that the row's event holds; the same way after a crash."""
        event = await self.engine.store.run(lambda tx: ledger.event_at(tx, task.seq), alone=False)
        assert isinstance(event, ExecutionStarted)
        request = await self.engine.request(task.stream)
        execution = request.execution if request else None
        if execution is not None and execution.attempt == event.attempt:
            finding = await self._carry_out(task, event.order.open, deadline)
            if finding is None:
                self.leases_lost[task.what] += 1
                return  # whoever has it now goes on
            if await self._give(Record(task.stream, event.attempt, finding)) is not None:
                return  # the row stays, and is worked off again when its lease ends
        await self.engine.store.run(lambda tx: outbox.finish(tx, task), alone=False)

    async def _carry_out(self, task: Task, order: Order, deadline: int) -> Finding | None:
        platform = self.engine.platforms.get(order.subject.platform)
        if platform is None:
            return NothingHappened(f"the platform {order.subject.platform} is not configured")
        capability = platform.capabilities[order.action]
        try:
            before = await platform.observe(order.subject)
        except PlatformError as e:
            if task.tried:
                return Unclear(f"it may have been sent, and cannot be seen: {e}")
            return NothingHappened(f"the platform could not be looked at first: {e}")
        if before.state is ACTIONS[order.action].wanted:
            return Seen(_whose(order, before, sent=task.tried), None, before)
        if self.engine.clock.now() > order.not_after:
            if task.tried:  # it may be on its way yet, and this platform may show it late
                return Unclear("it may have been sent, and nothing is to be seen of it")
            return NothingHappened("its time to be sent was over")
        if task.tried and not capability.idempotent:
            return Unclear("it may have been sent, and this platform must not be sent it twice")
        now = self.engine.clock.now()
        if not await self.engine.store.run(lambda tx: outbox.trying(tx, task, now), alone=False):
            return None
        if up() > deadline:
            return None  # frozen for longer than the lease: the row is no longer ours
        receipt: Receipt | None = None
        why = "the platform answered, and nothing is to be seen"
        try:
            async with asyncio.timeout(max(0.0, (deadline - up()) / 1000)):
                receipt = await platform.apply(order)
        except PlatformError as e:
            if e.fate is Fate.REFUSED:
                return Refusal(str(e))
            if e.fate is Fate.NOT_SENT and not task.tried:
                return NothingHappened(str(e))
            why = str(e)
        except TimeoutError:
            why = "the platform did not answer in time"
        return await self._verify(platform, order, receipt, why)

    async def _verify(
        self, platform: Platform, order: Order, receipt: Receipt | None, why: str
    ) -> Finding:
        """Look for the effect on the platform's other surface; an answer is not evidence."""
        clock = self.engine.clock
        end = clock.now() + OBSERVE_FOR
        seen: Observed | None = None
        while True:
            with contextlib.suppress(PlatformError):
                seen = await platform.observe(order.subject)
                if seen.state is ACTIONS[order.action].wanted:
                    return Seen(Outcome.VERIFIED, receipt, seen)
            if (now := clock.now()) >= end:
                break
            await clock.wait(now + OBSERVE_EVERY, asyncio.Event())
        if receipt is not None and seen is not None and seen.state is not AccountState.UNKNOWN:
            with contextlib.suppress(PlatformError):
                written = await platform.fetch(order.subject)
                if written is not None and written.state is ACTIONS[order.action].wanted:
                    return Seen(Outcome.PARTIAL, receipt, seen)
                return Seen(Outcome.NOT_APPLIED, receipt, seen)
        return Unclear(why)


def _delivered(task: Task, post: Post | None, now: int, tx: Tx) -> bool:
    """False: the lease was lost."""
    if task.what in ("card", "thread"):  # the request first, as where the ledger is written
        due.look_if_waiting(tx, task.stream, now)  # perhaps for this message
    at, also = (post[:2], post.also) if post is not None else (None, ())
    if not outbox.finish(tx, task, at, also):
        return False
    undelivered.delivered(tx, task, 1 + len(also), now)
    if task.what == "digest":
        digest.go_on(tx, task, post is not None, now)
    return True


def _put_off(task: Task, e: NotDelivered, now: int, tx: Tx) -> None:
    """Give it up, or put it off for as long as Slack asked, or as it was tried."""
    if e.final:
        if outbox.finish(tx, task):
            undelivered.given_up(tx, task, str(e), now)
        return
    until = now + (e.retry_after_ms or min(1000 * 2 ** min(task.attempts, 6), RETRY_MOST))
    failed_at = None if e.busy else now
    outbox.put_off(tx, task, until, str(e), task.tried or e.unclear, failed_at)
    if e.busy:
        pace.pause(tx, task.place, until)
    elif e.held:
        undelivered.held(tx, task, now)


def _whose(order: Order, seen: Observed, sent: bool) -> Outcome:
    """Whose work an effect is that was there when we looked."""
    if seen.key == order.key or (sent and seen.key is None):
        return Outcome.VERIFIED if sent else Outcome.ALREADY_OURS
    return Outcome.ALREADY_OTHERS
