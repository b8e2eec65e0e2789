"""What of Slack the engine and the worker meet: people and groups that change, a channel with
messages, and the messenger between them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from bot.core.assess import Assessment
from bot.core.facts import Person
from bot.ports import DirectoryError, NotDelivered, Post, refuse_late
from bot.store import outbox

from .network import Busy, Lost, Network, NotSent

if TYPE_CHECKING:
    from .process import Process
    from .world import World

R = TypeVar("R")

TEAM = "T01SIM"
CHANNEL = "C02REV"
AGENTS, TRUST, LEGAL = "S01AGENTS", "S02TRUST", "S03LEGAL"  # user groups
GROUP_OF = {"trust-safety": TRUST, "legal": LEGAL}


@dataclass
class Human:
    """Somebody, by one of their accounts."""

    account: str
    human: str  # who it is: two accounts can be one human
    left: int | None = None  # ms; when they left the workspace


class People:
    """Who is who and in which group, with all that was so before."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.humans: dict[str, Human] = {}
        self._members: dict[str, list[tuple[int, frozenset[str]]]] = {}

    def put(self, group: str, members: Iterable[str]) -> None:
        self._members.setdefault(group, []).append((self._world.timeline.ms, frozenset(members)))

    def members(self, group: str) -> frozenset[str]:
        return self._members[group][-1][1]

    def was_member(self, account: str, group: str, since: int, until: int) -> bool:
        """Whether they were in the group at any instant between these two (ms)."""
        story = self._members[group]
        for i, (at, members) in enumerate(story):
            ends = story[i + 1][0] if i + 1 < len(story) else None
            if account in members and at <= until and (ends is None or ends >= since):
                return True
        return False

    def was_here(self, account: str, at: int) -> bool:
        left = self.humans[account].left
        return left is None or left >= at

    def person(self, account: str) -> Person:
        human = self.humans[account]
        flaw = "deactivated in Slack" if human.left is not None else None
        identity = frozenset({f"email:{human.human}"})
        return Person(account, TEAM, flaw, identity)


@dataclass
class Message:
    ts: str
    key: str
    stream: str
    what: str
    round: int = 0  # of a card: what it shows
    digest8: str = ""
    phase: str = ""
    version: int = 0
    deleted: bool = False


@dataclass
class Slack:
    """The messages there are."""

    messages: dict[str, Message] = field(default_factory=dict)  # by ts
    by_key: dict[str, list[Message]] = field(default_factory=dict)
    _cards: list[Message] = field(default_factory=list)

    def post(self, key: str, stream: str, what: str, shows: Assessment | None) -> Message:
        message = Message(f"{len(self.messages) + 1}.0", key, stream, what)
        self.messages[message.ts] = message
        self.by_key.setdefault(key, []).append(message)
        if what == "card":
            self._cards.append(message)
        _show(message, shows)
        return message

    def update(self, ts: str, shows: Assessment) -> bool:
        """False: it was deleted."""
        message = self.messages[ts]
        if message.deleted:
            return False
        _show(message, shows)
        return True

    def find(self, key: str) -> Message | None:
        return next((m for m in self.by_key.get(key, ()) if not m.deleted), None)

    def newest_cards(self, n: int) -> list[Message]:
        return [m for m in self._cards[-n:] if not m.deleted]

    def cards(self, stream: str) -> list[Message]:
        return [m for m in self.by_key.get(f"{stream}/card", ()) if not m.deleted]


def _show(message: Message, shows: Assessment | None) -> None:
    if shows is not None:
        message.round = shows.request.round
        message.digest8 = shows.request.digest[:8]
        message.phase = shows.phase.value
        message.version = shows.request.version


class SimulatedDirectory:
    """The Directory of one process."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._network: Network = world.to_directory

    async def _ask(self, what: str, act: Callable[[], R]) -> R:
        try:
            return await self._network.call(what, act)
        except (NotSent, Lost, Busy) as e:
            raise DirectoryError(f"Slack could not be asked: {e}") from e

    async def person(self, id: str) -> Person:
        return await self._ask(f"person {id}", lambda: self._world.people.person(id))

    async def members(self, usergroup: str) -> frozenset[str]:
        return await self._ask(
            f"members {usergroup}", lambda: self._world.people.members(usergroup)
        )

    async def channel_flaw(self, channel: str) -> str | None:
        return await self._ask(f"channel {channel}", lambda: self._world.channel_flaw)


class SimulatedMessenger:
    """The Messenger of one process: it does what the real one does, and a card shows what the
    assessment says."""

    rates: Mapping[str, Any] = {}

    def __init__(self, process: "Process", world: "World") -> None:
        self._process = process
        self._world = world

    async def deliver(
        self, key: str, stream: str, seq: int, what: str, to: str, look: bool
    ) -> Post | None:
        engine, slack = self._process.engine, self._world.slack
        if what == "card":
            return await self._card(key, stream, look)
        if what == "thread":
            parent = await engine.store.run(lambda tx: outbox.post(tx, f"{stream}/card"))
            if parent is None:
                raise NotDelivered("the card is not in Slack yet", retry_after_ms=500)
        if look:
            found = await self._call(f"find {key}", lambda: slack.find(key))
            if found is not None:
                return Post(CHANNEL, found.ts)
        made = await self._call(f"post {key}", lambda: slack.post(key, stream, what, None))
        return Post(CHANNEL, made.ts)

    async def _card(self, key: str, stream: str, look: bool) -> Post:
        engine, slack = self._process.engine, self._world.slack
        judged = await engine.assessment(stream)
        assert judged is not None
        shows = judged[0]
        post = await engine.store.run(lambda tx: outbox.post(tx, key))
        if post is not None:
            ts = post[1]
            if await self._call(f"update {key}", lambda: slack.update(ts, shows)):
                return Post(*post)
            await engine.store.run(lambda tx: outbox.forget_post(tx, key))
        if look:
            found = await self._call(f"find {key}", lambda: slack.find(key))
            if found is not None:
                there = found.ts
                await self._call(f"update {key}", lambda: slack.update(there, shows))
                return Post(CHANNEL, there)
        made = await self._call(f"post {key}", lambda: slack.post(key, stream, "card", shows))
        return Post(CHANNEL, made.ts)

    async def _call(self, what: str, act: Callable[[], R]) -> R:
        refuse_late()
        try:
            return await self._world.to_slack.call(what, act, pauses=True)
        except Busy as e:
            raise NotDelivered("Slack asked for a pause", retry_after_ms=e.pause) from e
        except NotSent as e:
            raise NotDelivered("Slack could not be reached") from e
        except Lost as e:
            raise NotDelivered("Slack did not answer", unclear=True) from e
