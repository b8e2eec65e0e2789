"""Platforms of a simulation: they act late, twice or not at all, and do not always tell the truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from bot.core.actions import ACTIONS, ActionKind, Capability, Order, Receipt, Reversibility
from bot.core.subject import AccountState, Observed, Snapshot, SubjectId
from bot.platforms import guard
from bot.ports import Clock, Fate, PlatformError

from .network import Busy, Lost, Network, NotSent

if TYPE_CHECKING:
    from .world import World

R = TypeVar("R")

FACTS = frozenset({"followers", "roles", "legal_hold"})


@dataclass
class Account:
    id: str
    handle: str
    followers: int
    state: AccountState = AccountState.ACTIVE
    by: str | None = None
    key: str | None = None  # the order that brought it there, where that is kept
    gone: bool = False
    shown_late_until: int = 0  # ms; until then the other surface shows how it was before
    before: AccountState = AccountState.ACTIVE


class Effect(NamedTuple):
    """What an order did."""

    key: str
    action: ActionKind
    subject: str
    sent: int  # ms, true time
    at: int
    not_after: int


class There:
    """A platform itself. `idempotent`: it keeps the keys of orders, and does each once."""

    def __init__(self, world: "World", name: str, idempotent: bool) -> None:
        self._world = world
        self.name = name
        self.idempotent = idempotent
        self.network = Network(world, name, late=15.0)
        self.accounts: dict[str, Account] = {}
        self.effects: list[Effect] = []
        self._done: set[str] = set()

    def carry_out(self, order: Order, sent: int) -> Receipt:
        world = self._world
        now, account = world.timeline.ms, self.accounts[order.subject.id]
        if self.idempotent and order.key in self._done:
            return Receipt(answer="200, as before", at=now)
        lie = 0.0 if world.calm else world.chance.random()
        if lie > 0.97:
            return Receipt(answer="200", at=now)  # and does nothing
        self._done.add(order.key)
        self.effects.append(
            Effect(order.key, order.action, str(order.subject), sent, now, order.not_after)
        )
        if lie > 0.9:
            account.before = account.state
            account.shown_late_until = now + world.chance.choice((2_000, 15_000, 120_000))
        account.state = ACTIONS[order.action].wanted
        account.by, account.key = "bot", order.key if self.idempotent else None
        return Receipt(answer="200", at=now)

    def by_hand(self, account: Account, state: AccountState) -> None:
        account.state, account.by, account.key = state, "a moderator", None

    def snapshot(self, account: Account) -> Snapshot | None:
        if account.gone:
            return None
        return Snapshot(
            subject=SubjectId(platform=self.name, id=account.id),
            handle=account.handle,
            at=self._world.timeline.ms,
            state=account.state,
            by=account.by,
            followers=account.followers,
            roles=frozenset(),
            legal_hold=False,
        )

    def observed(self, account: Account) -> Observed:
        now = self._world.timeline.ms
        late = now < account.shown_late_until
        state = account.before if late else account.state
        if not self._world.calm and self._world.chance.random() < 0.01:
            state = AccountState.UNKNOWN
        mine = not late and state is account.state
        return Observed(
            state=AccountState.UNKNOWN if account.gone else state,
            surface="profile",
            at=now,
            by=account.by if mine else None,
            key=account.key if mine else None,
        )


class SimulatedPlatform:
    """The Platform of one process."""

    facts = FACTS

    def __init__(self, there: There, clock: Clock, world: "World") -> None:
        self.name = there.name
        able = Capability(reversibility=Reversibility.LOSSLESS, idempotent=there.idempotent)
        self.capabilities: Mapping[ActionKind, Capability] = dict.fromkeys(ActionKind, able)
        self._there = there
        self._clock = clock
        self._world = world

    async def _call(self, what: str, act: Callable[[], R]) -> R:
        try:
            return await self._there.network.call(what, act)
        except (NotSent, Busy) as e:
            raise PlatformError(f"{self.name} could not be reached", Fate.NOT_SENT) from e
        except Lost as e:
            raise PlatformError(f"{self.name} did not answer", Fate.UNCLEAR) from e

    def _by_handle(self, handle: str) -> Snapshot | None:
        for account in self._there.accounts.values():
            if account.handle == handle:
                return self._there.snapshot(account)
        return None

    async def find(self, handle: str) -> Snapshot | None:
        return await self._call(f"find {handle}", lambda: self._by_handle(handle))

    async def fetch(self, subject: SubjectId) -> Snapshot | None:
        account = self._there.accounts[subject.id]
        return await self._call(f"fetch {subject}", lambda: self._there.snapshot(account))

    async def lookalikes(self, handle: str) -> Sequence[Snapshot]:
        return ()

    async def apply(self, order: Order) -> Receipt:
        guard.admit(order, await self.fetch(order.subject), self.facts)
        guard.seconds_left(order, self._clock)
        sent = self._world.timeline.ms
        return await self._call(
            f"apply {order.key} {order.action.value}", lambda: self._there.carry_out(order, sent)
        )

    async def observe(self, subject: SubjectId) -> Observed:
        account = self._there.accounts[subject.id]
        return await self._call(f"observe {subject}", lambda: self._there.observed(account))

    async def aclose(self) -> None: ...
