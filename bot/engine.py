"""`handle`: gather the facts, decide, append. The one way in, for people and for the worker."""

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from bot.core.actions import ActionKind, Reversibility
from bot.core.assess import Assessment, assess
from bot.core.commands import (
    WORKER,
    AdoptPolicy,
    Command,
    EraseQueries,
    Expire,
    Export,
    File,
    Query,
    Recheck,
    Record,
    RequestCommand,
    Restore,
    Start,
    Unmask,
)
from bot.core.decide import Refused, decide
from bot.core.events import Event, PolicyAdopted
from bot.core.facts import Facts, Missing, Unread
from bot.core.policy import Policy
from bot.core.request import Request
from bot.core.rules import Act, objection
from bot.core.subject import Snapshot, SubjectId
from bot.doing import doing
from bot.known import Known
from bot.ledger.entry import EntryTooLong
from bot.ports import Clock, Directory, Platform, PlatformError
from bot.store import ledger
from bot.store.facts import complete, holder_of
from bot.store.tx import Duplicate, Stale, Store, Tx

T = TypeVar("T")

LOOK_UP_WITHIN = 2.0  # s for all facts together; what is not known by then is not known
FIND_WITHIN = 10.0  # s for a look-up while a form is open
FACTS_HOLD = (
    10_000  # ms from asking for the facts to deciding by them: a process may be frozen between
)
TRIES = 5  # at the same command, when others write to the same stream
FOLDED_KEPT = 1_000  # requests whose fold is kept in memory


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command: the events, the request as they left it, and what it was judged by."""

    request: Request | None
    events: tuple[Event, ...]
    facts: Facts
    at: int
    duplicate: bool = False  # this delivery was handled before

    @property
    def assessment(self) -> Assessment:
        """Where the request stands after it; only of a command that concerns one."""
        assert self.request is not None
        return assess(self.request, self.facts, self.at)


class PolicyChanged(Exception):
    """Another process adopted a policy: read it, and decide again."""


class Engine:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        directory: Directory,
        platforms: Mapping[str, Platform],
        policy: Policy,
        origin: str,
        anchors: bool = False,
    ) -> None:
        """`anchors`: whether any are configured beside the channel that the policy may name."""
        self.store = store
        self.clock = clock
        self.platforms = platforms
        self.origin = origin
        self._policy = policy
        self.coming: PolicyAdopted | None = None  # adopted, and in force later
        self.anchor_trouble: str | None = None  # why an anchor keeps nothing new
        self._anchored = 0  # how many entries are under a checkpoint that an anchor keeps
        self.committed: list[Callable[[Done], None]] = []  # called after each commit
        self.refused: list[Callable[[Command], None]] = []  # called with each that was refused
        self._anchors = anchors
        self._policies = {policy.digest: policy}
        self.policy_version = 0  # of the stream of policies, as far as it was read
        self._known = Known(directory, clock)
        self._folded: OrderedDict[str, Request] = OrderedDict()

    # --- the policy ---------------------------------------------------------------------------

    async def adopt(self, read: Policy) -> None:
        """Take the policy that was read at the start or on reload.

        One that differs from the last adopted is an entry, and comes into force when the entry
        says; until then the one before stays.
        """
        adopted = await self.follow_policy()
        if not adopted:
            self._policy = read
        while not adopted or adopted[-1].digest != read.digest:
            with contextlib.suppress(PolicyChanged):  # another process was first, perhaps with this
                await self.handle(AdoptPolicy(read, first=not adopted))
            adopted = await self.follow_policy()

    async def follow_policy(self) -> list[PolicyAdopted]:
        """Go by the policies that were adopted, whoever did; they are given back."""
        stream = await self.store.run(lambda tx: ledger.events(tx, ledger.POLICY))
        adopted = [event for _, event in stream if isinstance(event, PolicyAdopted)]
        self.policy_version = len(stream)
        self._policies |= {a.digest: a.policy.open for a in adopted}
        if adopted:
            self._put_in_force(adopted)
        return adopted

    def _put_in_force(self, adopted: list[PolicyAdopted]) -> None:
        in_force = coming = adopted[0]
        for later in adopted[1:]:
            if coming.effective <= later.at:
                in_force = coming
            coming = later  # one that had not come into force never does
        self._policy, self.coming = in_force.policy.open, coming

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        if self.coming is not None and self.coming.effective <= self.clock.now():
            self._policy, self.coming = self.coming.policy.open, None
        return self._policy

    # --- commands -----------------------------------------------------------------------------

    async def handle(
        self,
        command: Command,
        delivery: str | None = None,
        found: Snapshot | None = None,
    ) -> Done:
        """Carry out a command. Raises Refused, with the reason for whoever asked; PolicyChanged, if
        it is to adopt one and another process did.

        `delivery` names the delivery that brought it: the same one again does nothing. `found` is
        the look-up that a File rests on.
        """
        if isinstance(command, RequestCommand) and not isinstance(command, File):
            doing(stream=command.request)
        try:
            done = await self._handle(command, delivery, found)
        except Refused:
            for call in self.refused:
                call(command)
            raise
        if done.request is not None:
            doing(stream=done.request.id)
        return done

    async def _handle(self, command: Command, delivery: str | None, found: Snapshot | None) -> Done:
        for tries in range(TRIES):
            before = await self._before(command, anew=tries > 0)
            asked = self.clock.now()
            facts = await self._facts(command, before, found)

            def script(
                tx: Tx, before: Request | None = before, facts: Facts = facts, asked: int = asked
            ) -> tuple[Done, Request | None]:
                if self.clock.now() - asked > FACTS_HOLD:
                    raise Stale(type(command).__name__)
                return self._transact(tx, command, before, facts, delivery)

            try:
                done, changed = await self.store.run(script)
            except Stale:
                continue
            except PolicyChanged:
                if isinstance(command, AdoptPolicy):
                    raise
                await self.follow_policy()
                continue
            except EntryTooLong as e:  # as where thousands could review
                raise Refused(f"The ledger cannot hold this: {e}. Nothing was changed.") from e
            except Duplicate:
                return Done(before, (), facts, self.clock.now(), duplicate=True)
            if changed is not None:
                self._keep(changed)
            if done.events:
                for call in self.committed:
                    call(done)
            return done
        raise Refused("Too many people act on this at the same moment. Please try again.")

    def _transact(
        self,
        tx: Tx,
        command: Command,
        before: Request | None,
        facts: Facts,
        delivery: str | None,
    ) -> tuple[Done, Request | None]:
        now = self.clock.now()
        if self.store.shared and ledger.version(tx, ledger.POLICY) != self.policy_version:
            raise PolicyChanged
        request = before
        if before is not None:
            request = ledger.request(tx, before.id, before)
            if request is not None and request.version != before.version:
                raise Stale(before.id)  # the facts were gathered for another state
        if delivery is not None:
            ledger.once(tx, delivery, now)
        subject = command.subject if isinstance(command, File) else None
        if subject is not None:
            self._expire_holder(tx, subject, facts, now)
        whole = complete(tx, facts, request, subject, command.by, now)
        events = decide(request, command, whole, now)
        match command:
            case File() | Restore():
                stream, request = whole.next_id, None
            case Query() | EraseQueries() | Export() | Unmask():
                stream = ledger.AUDIT
            case AdoptPolicy():
                stream = ledger.POLICY
            case _:
                stream = command.request
        after = ledger.append(tx, stream, request, events)
        return Done(after, tuple(events), whole, now), after

    def _expire_holder(self, tx: Tx, subject: SubjectId, facts: Facts, now: int) -> None:
        """A request that holds the subject, and whose time is over, does so no longer."""
        if (holder := holder_of(tx, subject)) is None:
            return
        held = ledger.request(tx, holder)
        try:
            lapsed = decide(held, Expire(holder), facts, now)
        except Refused:
            return
        ledger.append(tx, holder, held, lapsed)

    async def _before(self, command: Command, anew: bool) -> Request | None:
        """What the facts are gathered for. As the request was left last will do, unless somebody
        else wrote to it since: the transaction tells, and then it is read `anew`."""
        match command:
            case File() | Query() | AdoptPolicy() | EraseQueries() | Export() | Unmask():
                return None
        known = None if anew else self._folded.get(command.request)
        return known or await self.request(command.request)

    async def request(self, id: str) -> Request | None:
        """The request as it stands."""
        known = self._folded.get(id)
        found = await self.store.run(lambda tx: ledger.request(tx, id, known), alone=False)
        if found is not None:
            self._keep(found)
        return found

    def _keep(self, request: Request) -> None:
        self._folded[request.id] = request
        self._folded.move_to_end(request.id)
        if len(self._folded) > FOLDED_KEPT:
            self._folded.popitem(last=False)

    # --- facts --------------------------------------------------------------------------------

    async def _facts(
        self, command: Command, request: Request | None, found: Snapshot | None
    ) -> Facts:
        people = {command.by} - {WORKER} | _concerned(request)
        match command:
            case AdoptPolicy() | Expire() | Record():
                facts = self._bare()
            case Start() | Recheck() if request is not None and request.subject.value is not None:
                subject, facts = await asyncio.gather(
                    self._fetch(request.subject.value),
                    self.around(people, self.policy.channels.review),
                )
                facts = replace(facts, subject=subject)
            case File(action=action, subject=about):
                platform = self.platforms.get(about.platform)
                facts = replace(
                    await self.around(people),
                    subject=found or Missing(),
                    capability=platform.capabilities.get(action) if platform else None,
                )
            case _:
                facts = await self.around(people)
        if request is None:
            return facts
        return replace(facts, pinned=self._policies.get(request.pinned.policy))

    def _bare(self) -> Facts:
        policy = self.policy
        return Facts(
            origin=self.origin,
            policy=policy,
            seed=secrets.token_hex(32),
            anchors=self._anchors or policy.channels.anchors is not None,
            anchored=self._anchored,
            anchor_trouble=self.anchor_trouble,
        )

    def is_anchored(self, size: int) -> None:
        """An anchor keeps a checkpoint over that many entries.

        It is told, and not read from the database: whoever can write there must not be able to say so.
        """
        self._anchored = max(self._anchored, size)

    async def around(self, people: Iterable[str], channel: str | None = None) -> Facts:
        """Who these people are and who is in which group now; `channel`: how it stands with it."""
        facts = self._bare()
        who = facts.policy.people
        groups = [who.agents, who.managers, *who.reviewers.values()]
        with contextlib.suppress(TimeoutError):  # what is not known by then counts as unread
            async with asyncio.timeout(LOOK_UP_WITHIN):
                await self._known.refresh(people, groups, channel)
        known = self._known
        return replace(
            facts,
            people={id: known.person(id) for id in people},
            agents=known.members(who.agents),
            managers=known.members(who.managers),
            groups={name: known.members(group) for name, group in who.reviewers.items()},
            channel=known.channel_flaw(channel) if channel else None,
        )

    async def _fetch(self, subject: SubjectId) -> Snapshot | Missing | Unread:
        platform = self.platforms.get(subject.platform)
        if platform is None:
            return Unread(f"the platform {subject.platform} is not configured")
        try:
            async with asyncio.timeout(LOOK_UP_WITHIN):
                return await platform.fetch(subject) or Missing()
        except TimeoutError:
            return Unread(f"{subject.platform} did not answer within {LOOK_UP_WITHIN:.0f} s")
        except PlatformError as e:
            return Unread(str(e))

    def reversibility(self, request: Request) -> Reversibility | None:
        """How far what the request does can be undone; None if its platform is not configured, or
        not known any more."""
        subject = request.subject.value
        platform = None if subject is None else self.platforms.get(subject.platform)
        able = platform.capabilities.get(request.action) if platform else None
        return None if able is None else able.reversibility

    async def find(self, handle: str) -> Snapshot | Missing | Unread:
        """The account with this handle, or `platform:handle`, on one of the platforms."""
        name, colon, rest = handle.partition(":")
        if colon and name in self.platforms:
            return await self._find(self.platforms[name], rest)
        answers = [await self._find(platform, handle) for platform in self.platforms.values()]
        hits = [a for a in answers if isinstance(a, Snapshot)]
        if len(hits) > 1:
            where = " and ".join(f"{h.subject.platform}:{handle}" for h in hits)
            return Unread(f"there is one on several platforms; write {where}")
        unread = [a for a in answers if isinstance(a, Unread)]
        return hits[0] if hits else unread[0] if unread else Missing()

    async def _find(self, platform: Platform, handle: str) -> Snapshot | Missing | Unread:
        try:
            async with asyncio.timeout(FIND_WITHIN):
                return await platform.find(handle.strip()) or Missing()
        except TimeoutError:
            return Unread(f"{platform.name} did not answer within {FIND_WITHIN:.0f} s")
        except PlatformError as e:
            return Unread(str(e))

    # --- looking ------------------------------------------------------------------------------

    async def assessment(
        self, id: str, viewer: str | None = None
    ) -> tuple[Assessment, Facts, int] | None:
        """Where a request stands now, with the facts and the instant (ms) it was judged by.

        `viewer`: the facts are to tell what this person may do as well.
        """
        request = self._folded.get(id) or await self.request(id)
        while request is not None:
            people = _concerned(request) | ({viewer} if viewer else set())
            facts = await self.around(people, self.policy.channels.review)
            now = self.clock.now()
            whole = await self.store.run(
                partial(_complete_if_current, request, facts, viewer or request.requester, now),
                alone=False,
            )
            if whole is not None:
                break
            request = await self.request(id)
        else:
            return None
        facts = replace(whole, pinned=self._policies.get(request.pinned.policy))
        return assess(request, facts, now), facts, now

    async def objection(
        self,
        act: Act,
        person: str,
        id: str | None = None,
        found: Snapshot | Missing | Unread | None = None,
        action: ActionKind | None = None,
    ) -> str | None:
        """Why `person` may not do `act` now, by the same rules that refuse it; None if they may.

        `id` is the request it concerns, `found` and `action` what would be filed.
        """
        request = None if id is None else await self.request(id)
        if id is not None and request is None:
            return f"There is no request {id}."
        facts = await self.around({person} | _concerned(request))
        if found is not None:
            facts = replace(facts, subject=found)
        subject = None
        if isinstance(found, Snapshot) and action is not None:
            subject = found.subject
            able = self.platforms[subject.platform].capabilities.get(action)
            facts = replace(facts, capability=able)
        now = self.clock.now()

        def script(tx: Tx) -> Facts:
            return complete(tx, facts, request, subject, person, now)

        whole = await self.store.run(script, alone=False)
        return objection(act, request, whole.person(person), whole, now)

    def forget_group(self, usergroup: str) -> bool:
        """Slack says that a user group changed: read it anew. Whether it is one of ours."""
        return self._known.forget_group(usergroup)

    def forget_person(self, id: str) -> bool:
        """Slack says that a person changed: read them anew. Whether they were asked for before."""
        return self._known.forget_person(id)


def _complete_if_current(request: Request, facts: Facts, by: str, now: int, tx: Tx) -> Facts | None:
    """The complete facts about `request`, unless somebody wrote to it since."""
    if ledger.version(tx, request.id) != request.version:
        return None
    return complete(tx, facts, request, None, by, now)


def _concerned(request: Request | None) -> set[str]:
    if request is None:
        return set()
    return {
        request.requester,
        *(a.by for a in request.approvals),
        *(s.by for s in request.settlements),
    }
