"""A trail to ask: an engine on a real database, with a directory and a platform kept in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.audit.answer import Answer, answer
from bot.audit.query import parse
from bot.core.actions import ActionKind, Capability, Order, Outcome, Receipt, Reversibility
from bot.core.commands import (
    Approve,
    Command,
    Expire,
    File,
    Finding,
    NothingHappened,
    Record,
    Refusal,
    Restore,
    Seen,
    Start,
    Unclear,
    Veto,
    Withdraw,
)
from bot.core.events import Event, Grounds
from bot.core.facts import Person
from bot.core.policy import Policy
from bot.core.reasons import ReasonCode
from bot.core.request import Request
from bot.core.sealed import canonical
from bot.core.subject import AccountState, Observed, Snapshot, SubjectId
from bot.engine import Engine
from bot.sandbox.clock import SandboxClock
from bot.store import ledger, outbox
from bot.store.sqlite import SqliteStore

START = 1_795_514_400_000  # 2026-11-24T10:00:00Z
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
COOL_OFF = 5 * MINUTE
AGENT, OTHER_AGENT, MANAGER = "U01AGENT", "U11AGENT", "U09MANAGER"
ANN, BOB, LEE = "U02ANN", "U03BOB", "U05LEE"

POLICY = Policy.model_validate_json(
    canonical(
        {
            "version": 1,
            "workspace": "T01TEST",
            "channels": {"review": "C02REV"},
            "people": {
                "agents": {"users": [AGENT, OTHER_AGENT]},
                "managers": {"users": [MANAGER]},
                "reviewers": {"trust-safety": {"usergroup": "S01TS"}, "legal": {"users": [LEE]}},
            },
            "tiers": [
                {
                    "name": "public-office",
                    "when": {"followers_at_least": 1_000_000},
                    "quorum": {"approvals": 2, "including": {"legal": 1}},
                    "cool_off": "30m",
                    "open_for": "24h",
                    "run_within": "1h",
                },
                {
                    "name": "standard",
                    "quorum": {"approvals": 1},
                    "cool_off": "5m",
                    "open_for": "8h",
                    "run_within": "1h",
                },
            ],
        }
    )
)


class People:
    """A Directory: everybody is a member, and two of them are in the user group."""

    def __init__(self) -> None:
        self.in_group = frozenset({ANN, BOB})

    async def person(self, id: str) -> Person:
        return Person(id, team="T01TEST")

    async def members(self, usergroup: str) -> frozenset[str]:
        return self.in_group

    async def channel_flaw(self, channel: str) -> str | None:
        return None


class Accounts:
    """A Platform: accounts in a dictionary."""

    name = "demo"
    facts = frozenset({"followers"})

    def __init__(self) -> None:
        able = Capability(reversibility=Reversibility.LOSSLESS, idempotent=True)
        self.capabilities = dict.fromkeys(ActionKind, able)
        self.known: dict[SubjectId, Snapshot] = {}

    def put(self, id: str, handle: str, at: int, state: AccountState, **known: Any) -> Snapshot:
        subject = SubjectId(platform="demo", id=id)
        found = Snapshot(subject=subject, handle=handle, at=at, state=state, **known)
        self.known[subject] = found
        return found

    async def find(self, handle: str) -> Snapshot | None:
        return next((a for a in self.known.values() if a.handle == handle), None)

    async def fetch(self, subject: SubjectId) -> Snapshot | None:
        return self.known.get(subject)

    async def lookalikes(self, handle: str) -> Sequence[Snapshot]:
        return ()

    async def apply(self, order: Order) -> Receipt:
        raise AssertionError("the trail's tests record findings themselves")

    async def observe(self, subject: SubjectId) -> Observed:
        raise AssertionError("the trail's tests record findings themselves")

    async def aclose(self) -> None:
        """Nothing is open."""


class Trail:
    """Requests, made by the engine and by nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = SandboxClock(lambda: START)
        self.store = SqliteStore(path)
        self.store.migrate()
        self.accounts = Accounts()
        self.people = People()
        self.engine = Engine(
            store=self.store,
            clock=self.clock,
            directory=self.people,
            platforms={"demo": self.accounts},
            policy=POLICY,
            origin="test",
        )

    def close(self) -> None:
        self.store.close()

    @property
    def now(self) -> int:
        return self.clock.now()

    async def give(self, command: Command, found: Snapshot | None = None) -> Request:
        done = await self.engine.handle(command, found=found)
        assert done.request is not None
        return done.request

    async def filed(
        self,
        handle: str = "mallory",
        id: str | None = None,
        by: str = AGENT,
        followers: int = 10,
        what: str = "Says to be somebody else.",
        **grounds: Any,
    ) -> Request:
        id = id or f"id-{handle.casefold()}"
        found = self.accounts.put(id, handle, self.now, AccountState.ACTIVE, followers=followers)
        told = Grounds(what_happened=what, **grounds)
        reason = ReasonCode.IMPERSONATION
        return await self.give(
            File(by, ActionKind.DEACTIVATE, found.subject, reason, told), found=found
        )

    async def approved(self, request: Request, by: str = ANN) -> Request:
        return await self.give(Approve(by, request.id, request.round, request.digest[:8]))

    def post_everything(self) -> None:
        """Bring what waits in the outbox to Slack, and the orders nowhere."""

        def deliver(tx: Any) -> int:
            tasks = outbox.lease(tx, self.now, self.now + 1, limit=1000)
            for task in tasks:
                outbox.finish(tx, task, ("C02REV", f"{task.id}.0"))
            return len(tasks)

        while self.store.run_now(deliver):
            pass

    async def ready(self, **how: Any) -> Request:
        request = await self.approved(await self.filed(**how))
        self.post_everything()
        self.clock.skip(COOL_OFF)
        return request

    async def started(self, **how: Any) -> Request:
        request = await self.ready(**how)
        return await self.give(Start(request.id))

    async def executed(self, **how: Any) -> Request:
        return await self.recorded(await self.started(**how))

    async def recorded(self, request: Request, finding: Finding | None = None) -> Request:
        if finding is None:
            state = AccountState.DEACTIVATED
            if request.action is ActionKind.RESTORE:
                state = AccountState.ACTIVE
            subject = request.subject.open
            handle = request.known.open.handle
            self.accounts.put(subject.id, handle, self.now, state, followers=10)
            receipt = Receipt(answer="PUT lock: 200", at=self.now)
            seen = Observed(state=state, surface="public search", at=self.now)
            finding = Seen(Outcome.VERIFIED, receipt, seen)
        return await self.give(Record(request.id, request.attempts, finding))

    async def came_to_nothing(self, request: Request) -> Request:
        return await self.recorded(request, NothingHappened("the platform was not reached"))

    async def restored(self, request: Request, by: str = BOB) -> Request:
        restore = await self.give(Restore(by, request.id, "It was the right account."))
        self.post_everything()
        restore = await self.give(Start(restore.id))
        return await self.recorded(restore)

    async def one_in_every_phase(self) -> None:
        """One request in each phase, and one that is ready again after an attempt."""
        await self.filed("expired")
        self.clock.skip(8 * HOUR)
        await self.give(Expire("R-1"))
        again = await self.started(handle="again")
        await self.came_to_nothing(again)
        await self.recorded(await self.started(handle="failed"), Refusal("it said no"))
        await self.recorded(await self.started(handle="unclear"), Unclear("it did not answer"))
        await self.executed(handle="executed")
        moved = await self.ready(handle="lapsed")
        del self.accounts.known[moved.subject.open]
        await self.give(Start(moved.id))
        await self.started(handle="executing")
        await self.ready(handle="ready")
        await self.filed("vetoed")
        await self.give(Veto(ANN, "R-9", "No."))
        await self.filed("withdrawn")
        await self.give(Withdraw(AGENT, "R-10"))
        await self.approved(await self.filed("cooling"))
        await self.filed("open")

    def ask(self, text: str, page: int = 1, page_size: int = 5) -> Answer:
        query = parse(text, self.now)
        return self.store.run_now(lambda tx: answer(tx, query, self.now, page, page_size))

    def entries(self) -> list[Event]:
        """What was asked, as it stands in the ledger."""
        return [e for _, e in self.store.run_now(lambda tx: ledger.events(tx, ledger.AUDIT))]
