"""The people: they file, approve, veto, withdraw, retract and restore, double-click, come late, try
what they may not, and Slack delivers it twice and out of order."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from bot.sandbox.platform_seeds import Account
from bot.sandbox.slack.deliveries import Courier, Delivery
from bot.sandbox.slack.forms import NoSuchField
from bot.sandbox.slack.hands import Hand, NoSuchButton
from bot.sandbox.slack.records import Json, Message, View
from bot.sandbox.slack.workspace import Workspace

from .faults import FaultyPlatform, FaultySlack, true_now
from .journal import ID, Act, Journal

REVIEW, LOBBY, GROUP = "C02REV", "C03LOBBY", "S01TS"
COOL_OFF = {"top": 2_000, "two": 2_000, "standard": 1_000}  # ms
OPEN_FOR, RUN_WITHIN = 12_000, 15_000  # ms

AGENTS = [f"U1AGENT{n}" for n in range(32)]
BOTH = [f"U1BOTH{n}" for n in range(2)]  # file, and review
SAFETY = [f"U2SAFETY{n}" for n in range(6)]
TWINS = [
    ("U3TWIN0A", "U3TWIN0B"),
    ("U3TWIN1A", "U3TWIN1B"),
]  # two accounts, one address, one person
LEAVERS = ["U4LEAVER0", "U4LEAVER1"]  # leave their group, and come back
LEGAL = [f"U5LEGAL{n}" for n in range(3)]
STRANGERS = ["U7GUEST", "U8OTHER", "U8NOBODY"]
MANAGER = "U9MANAGER"
IN_GROUP = [*BOTH, *SAFETY, *(t for pair in TWINS for t in pair), *LEAVERS]

POLICY = f"""\
version: 1
workspace: T01TEST
channels: {{review: {REVIEW}}}
people:
  agents: {{users: [{", ".join([*AGENTS, *BOTH])}]}}
  managers: {{users: [{MANAGER}]}}
  reviewers:
    trust-safety: {{usergroup: {GROUP}}}
    legal: {{users: [{", ".join(LEGAL)}]}}
tiers:
  - name: top
    when: {{followers_at_least: 1_000_000}}
    quorum: {{approvals: 2, including: {{legal: 1}}}}
    cool_off: {COOL_OFF["top"] // 1000}s
    open_for: {OPEN_FOR // 1000}s
    run_within: {RUN_WITHIN // 1000}s
  - name: two
    when: {{followers_at_least: 100_000}}
    quorum: {{approvals: 2}}
    cool_off: {COOL_OFF["two"] // 1000}s
    open_for: {OPEN_FOR // 1000}s
    run_within: {RUN_WITHIN // 1000}s
  - name: standard
    quorum: {{approvals: 1}}
    cool_off: {COOL_OFF["standard"] // 1000}s
    open_for: {OPEN_FOR // 1000}s
    run_within: {RUN_WITHIN // 1000}s
"""


def address(person: str) -> str:
    """The e-mail address: what makes two accounts one person."""
    return f"{person[:-1] if 'TWIN' in person else person}@pipit.example".lower()


def people(ws: Workspace, policy: Path) -> None:
    everybody = [*AGENTS, *IN_GROUP, *LEGAL, *STRANGERS, MANAGER]
    for id in everybody:
        ws.add_user(
            id,
            id.lower(),
            email=address(id),
            is_restricted=id == "U7GUEST",
            team="T08OTHER" if id == "U8OTHER" else None,
        )
    ws.add_channel(REVIEW, "review", members=everybody)
    ws.add_channel(LOBBY, "lobby", members=everybody)
    ws.add_usergroup(GROUP, "trust-safety", IN_GROUP)
    policy.write_text(POLICY)


class Post(Courier):
    """Delivers one person's acts to any replica, again where nobody answered, and some twice."""

    def __init__(self, town: "Town", act: Act) -> None:
        self._town = town
        self._act = act

    async def deliver(self, kind: str, payload: Json) -> Delivery:
        town, act, rng = self._town, self._act, self._town.rng
        courier = town.slack._courier
        act.sent, act.deliveries = true_now(), 1
        if act.counts:
            town.journal.acts.append(act)
        courier.url = town.any_url()
        delivery = await courier.deliver(kind, payload)
        answered = [delivery.status]
        while delivery.status != 200 and act.deliveries < 30 and not town.closed:
            await asyncio.sleep(rng.uniform(0.05, 0.3))
            act.deliveries += 1
            courier.url = town.any_url()
            delivery = await courier.again(delivery)
            answered.append(delivery.status)
        act.status, act.answered = delivery.status, true_now()
        if rng.random() < 0.1:
            act.deliveries += 1
            town.later(self._again(delivery, rng.uniform(0, 4)))
        return delivery

    async def _again(self, delivery: Delivery, after: float) -> None:
        await asyncio.sleep(after)
        self._town.slack._courier.url = self._town.any_url()
        await self._town.slack._courier.again(delivery)


@dataclass
class Town:
    """The people's side of the world."""

    slack: FaultySlack
    platform: FaultyPlatform
    rng: Random
    journal: Journal
    any_url: Callable[[], str]
    favourite: str | None = None  # every other request is this story
    closed: bool = False
    filed: int = 0  # requests that were begun
    _made: int = 0
    _seats: dict[str, asyncio.Lock] = field(default_factory=dict)
    _late: set[asyncio.Task[None]] = field(default_factory=set)

    # --- the ways in ----------------------------------------------------------------------------

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def settled(self) -> None:
        await asyncio.gather(*self._late, return_exceptions=True)

    def account(self, followers: int) -> Account:
        self._made += 1
        account = self.platform.add(f"s{self._made}", followers=followers, created_at=1)
        self.journal.handles[account.id] = [(0, account.handle)]
        self.journal.followers[account.id] = followers
        return account

    def rename(self, account: Account, handle: str) -> None:
        self.platform.update(account.id, handle=handle)
        self.journal.handles[account.id].append((true_now(), handle))

    def _hand(self, who: str, act: Act) -> Hand:
        user = self.slack.workspace.users[who]
        return Hand(user, self.slack.workspace, self.slack._payloads, Post(self, act))

    @contextlib.asynccontextmanager
    async def _seated(self, who: str) -> Any:
        """One person has one screen."""
        async with self._seats.setdefault(who, asyncio.Lock()):
            self.slack.workspace.modals.clear(who)
            yield

    async def until(self, there: Callable[[], Any], within: float) -> Any:
        """What `there` gives, once it gives something; None if it does not in so many seconds."""
        end = true_now() + within * 1000
        while true_now() < end and not self.closed:
            if found := there():
                return found
            await asyncio.sleep(0.05)
        return there() or None

    async def _submit(
        self, who: str, act: Act, wanted: str, values: Mapping[str, str], within: float
    ) -> bool:
        """Fill in and send the form with this field (or callback) on top, once it is there."""

        def form() -> View | None:
            for view in self.slack.workspace.views(who):
                named = {block["block_id"] for block in view.blocks}
                if wanted in named or wanted == view.callback_id:
                    return view
            return None

        if await self.until(form, within) is None:
            return False
        try:
            answer = await self._hand(who, act).submit(values)
        except (NoSuchField, NoSuchButton):
            return False
        if answer.status == 200:
            act.said = _words(answer.body)
            done = "is filed" in act.said or ((found := ID.match(act.said)) and found.end() > 2)
            if done and answer.body is not None and "errors" not in answer.body:
                (act.accepted, *_) = ID.findall(act.said)
        return answer.status == 200

    async def file(self, who: str, account: Account, command: str = "/request-deactivate") -> bool:
        """Look an account up and file on it. Whether the bot heard of it."""
        what = "file" if command == "/request-deactivate" else "restore_filed"
        reason = self.rng.choice(["spam", "scam-phishing", "impersonation", "threats"])
        for _ in range(4):
            if self.closed:
                return False
            async with self._seated(who):
                asks = Act(who, "look up", account.handle, counts=False)
                await self._hand(who, asks).command(command, f"@{account.handle}", channel=LOBBY)
                values = {"reason.value": reason, "what.value": f"about {account.handle}"}
                act = Act(who, what, account.handle)
                if await self._submit(who, act, "what", values, 2.5):
                    self.filed += 1
                    return True
        return False

    async def card(self, handle: str, nth: int = 0, within: float = 10.0) -> Message | None:
        """The card of the nth request on this account; None if it does not come."""

        def there() -> Message | None:
            ids = dict.fromkeys(ID.match(m.text)[0] for m in self.slack.cards.get(handle, []))  # type: ignore[index]
            found = [*ids][nth : nth + 1]
            return self.slack.by_key[f"{found[0]}/card"][0] if found else None

        found: Message | None = await self.until(there, within)
        return found

    async def press(self, who: str, what: str, card: Message, stale: bool = False) -> Act | None:
        """Approve, retract, withdraw, veto or restore on a card. None: it is not offered there."""
        match = ID.match(card.text)
        assert match is not None
        act = Act(who, what, match[0])
        hand = self._hand(who, act)
        try:
            if what in ("retract", "withdraw"):
                option = await self.until(lambda: _option(card, what), 0.1 if stale else 2.0)
                if option is None:
                    return None
                await hand.choose(card, "more", option, stale=stale)
                return act
            if what == "approve" and "approve" in _offered(card):
                await hand.click(card, "approve", stale=stale)
                return act
            name = "approve_form" if what == "approve" else what
            if name not in _offered(card):
                return None
            async with self._seated(who):
                asks = Act(who, f"open {what}", match[0], counts=False)
                await self._hand(who, asks).click(card, name, stale=stale)
                values = {} if what == "approve" else {"reason.value": f"{what} by {who}"}
                await self._submit(who, act, what, values, 1.0)
            return act
        except NoSuchButton:  # it changed under their hands
            return act

    def look(self, card: Message) -> Message:
        return self._hand(SAFETY[0], Act("", "", "")).look(card)

    # --- who -------------------------------------------------------------------------------------

    def reviewer(self) -> str:
        return self.rng.choice([*SAFETY, *BOTH, TWINS[0][0], TWINS[1][1], *LEAVERS])

    async def approve(self, card: Message, tier: str) -> None:
        """Enough of them, each once, some with a double-click."""
        rng = self.rng
        first = rng.choice(LEGAL) if tier == "top" else self.reviewer()
        chosen = [first]
        while len(chosen) < (1 if tier == "standard" else 2):
            chosen = [first, *{self.reviewer()} - {first}]
        rng.shuffle(chosen)
        if rng.random() < 0.1:
            chosen.append(chosen[-1])  # at once, once more
        tries: list[Awaitable[Any]] = [self.press(who, "approve", card) for who in chosen]
        await asyncio.gather(*tries)

    async def insist(self, card: Message, tier: str, state: str = "Needs review") -> bool:
        """Approve until there is a quorum, as people do who come by again. Whether there is."""
        for _ in range(5):
            if self.closed or state not in _header(card):
                break
            await self.approve(card, tier)
            if await self.until(lambda: state not in _header(card), 2.0):
                break
        return state not in _header(card)


def _words(body: Json | str | None) -> str:
    """What a form says in answer: its title, if that is a request, and its texts."""
    if not isinstance(body, dict) or "view" not in body:
        return str(body)
    view = body["view"]
    texts = [b["text"]["text"] for b in view["blocks"] if b["type"] == "section" and "text" in b]
    return " ".join([view["title"]["text"], *texts])


def _header(card: Message) -> str:
    return next((str(b["text"]["text"]) for b in card.blocks if b["type"] == "header"), "")


def _elements(card: Message) -> Iterator[Json]:
    for block in card.blocks:
        if block["type"] == "actions":
            yield from block["elements"]


def _offered(card: Message) -> set[str]:
    return {element["action_id"] for element in _elements(card)}


def _option(card: Message, act: str) -> str | None:
    for element in _elements(card):
        for option in element.get("options", []):
            if option["value"].startswith(f"{act}/"):
                value: str = option["value"]
                return value
    return None
