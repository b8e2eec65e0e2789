"""What the stories are told with: what people do, what they see, and how time goes on."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bot.core.events import Event
from bot.core.policy import Policy
from bot.core.request import Phase, Request
from bot.sandbox.platform import SandboxPlatform
from bot.sandbox.slack import FakeSlack, Hand
from bot.sandbox.slack.records import Message, View
from bot.sandbox.world import ANCHORS, LOBBY, REVIEW, World
from bot.store import ledger
from bot.store.tx import Tx

START = 1_790_000_000_000  # an instant in 2026
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000

AGENT, TESSA, OMAR, LENA, MAX = "U01AGENT", "U02REV", "U03REV", "U05LEGAL", "U09MANAGER"
GUEST, OTHER = "U07GUEST", "U08OTHER"
PRES1DENT, PRESIDENT, ADA = "acct-1001", "acct-1000", "acct-1002"

FORM = {"reason.value": "impersonation", "what.value": "Pretends to be the president."}

POLICY: dict[str, Any] = {
    "version": 1,
    "workspace": "T01TEST",
    "channels": {"review": REVIEW, "anchors": ANCHORS},
    "people": {
        "agents": {"users": [AGENT]},
        "managers": {"users": [MAX]},
        "reviewers": {"trust-safety": {"usergroup": "S01TS"}, "legal": {"users": [LENA]}},
    },
    "subjects": {"acct-1000": {"tags": ["public-office"]}},
    "tiers": [
        {
            "name": "public-office",
            "when": {"any": [{"tag": "public-office"}, {"followers_at_least": 1_000_000}]},
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


def policy(**changes: Any) -> Policy:
    """The sandbox's policy with some of it changed; `people` and `standard` are merged."""
    made = {**POLICY, "people": {**POLICY["people"], **changes.pop("people", {})}}
    top, standard = made["tiers"]
    made["tiers"] = [top, {**standard, **changes.pop("standard", {})}]
    return Policy.model_validate_json(json.dumps({**made, **changes}))


class Outside(NamedTuple):
    slack: FakeSlack
    platform: SandboxPlatform


class Story:
    def __init__(self, w: World) -> None:
        self.w = w
        self.ws = w.slack.workspace

    # --- time -------------------------------------------------------------------------------------

    async def calm(self) -> None:
        """Let everything be told that waits for Slack's one message a second, and no more."""
        await self.settle()
        for _ in range(60):
            now = self.w.clock.now()
            due = [at for at in await self.w.store.run(sent_from) if at > now]
            if not due or min(due) > now + 5 * SECOND:
                return
            self.w.clock.skip(min(due) - now)
            await self.settle()
        raise AssertionError("it never becomes calm")

    async def settle(self) -> None:
        """`settled`, with the seconds passing for which a worker looks for an effect."""
        await self.w.slack.settled()
        await self.with_time(asyncio.create_task(self.w.settled()))

    async def with_time(self, doing: asyncio.Task[None]) -> None:
        """Let time pass for what is under way until it ends."""
        while not (await asyncio.wait({doing}, timeout=0.1))[0]:
            at = self.w.clock.next_awaited  # else it is only the machine that is slow
            if at is not None and at <= self.w.clock.now() + 2 * SECOND:
                self.w.clock.skip(2 * SECOND)
        await doing

    async def skip(self, ms: int) -> None:
        self.w.clock.skip(ms)
        await self.settle()

    # --- people -------------------------------------------------------------------------------------

    def hand(self, user: str) -> Hand:
        return self.w.slack.as_user(user)

    async def type(self, user: str, text: str, command: str = "/request-deactivate") -> str:
        """Type a command; what is answered to it, if anything."""
        answer = await self.hand(user).command(command, text, channel=LOBBY)
        assert (answer.status, answer.error) == (200, None), answer
        await self.settle()
        body = answer.body
        return str(body["text"]) if isinstance(body, dict) else body or ""

    async def type_while(self, user: str, text: str) -> None:
        """Type a command while something else is under way, which is not waited for."""
        answer = await self.hand(user).command("/request-deactivate", text, channel=LOBBY)
        assert (answer.status, answer.error) == (200, None), answer

    async def look_up(
        self, handle: str = "@pres1dent", by: str = AGENT, command: str = "/request-deactivate"
    ) -> View:
        """The form as it stands when the account was looked up."""
        said = await self.type(by, handle, command)
        assert said == "", said
        return self.ws.views(by)[-1]

    async def file(
        self,
        handle: str = "@pres1dent",
        by: str = AGENT,
        command: str = "/request-deactivate",
        **more: str,
    ) -> str:
        """File a request; its id."""
        await self.look_up(handle, by, command)
        fields = {**FORM, **{f"{name}.value": value for name, value in more.items()}}
        answer = await self.hand(by).submit(fields)
        assert (answer.status, answer.error) == (200, None), answer
        said = text_of(self.ws.views(by)[-1])
        found = re.search(r"\*(R-\d+)\* is filed", said)
        assert found, said
        await self.calm()
        return found[1]

    async def click(self, user: str, action: str, where: Message | View | None = None) -> str:
        """Click a button, by default on the card of R-1; what is said to that, in private."""
        where = self.card() if where is None else where
        before = self.words(user)
        answer = await self.hand(user).click(where, action)
        assert (answer.status, answer.error) == (200, None), answer
        await self.calm()
        return "\n".join(self.words(user)[len(before) :])

    async def choose(self, user: str, act: str, where: Message | None = None) -> str:
        """Choose Retract or Withdraw in the card's menu; what is said to that."""
        where = self.card() if where is None else where
        before = self.words(user)
        menu = next(e for b in where.blocks for e in b.get("elements", ()) if e.get("options"))
        (value,) = [o["value"] for o in menu["options"] if o["text"]["text"] == act]
        answer = await self.hand(user).choose(where, "more", value)
        assert (answer.status, answer.error) == (200, None), answer
        await self.calm()
        return "\n".join(self.words(user)[len(before) :])

    async def approve(self, user: str, id: str = "R-1") -> str:
        """Approve on the card, through the form in the top tiers; what is said to that."""
        if not any(e["action_id"] == "approve_form" for e in buttons(self.card(id))):
            return await self.click(user, "approve", self.card(id))
        return await self.click(user, "approve_form", self.card(id)) or await self.submit(user)

    async def veto(self, user: str, reason: str = "Wrong account.", id: str = "R-1") -> str:
        """Veto on the card; what is said to that."""
        return await self.click(user, "veto", self.card(id)) or await self.submit(
            user, {"reason.value": reason}
        )

    async def restore(self, user: str, reason: str = "It was right.", id: str = "R-1") -> str:
        return await self.click(user, "restore", self.card(id)) or await self.submit(
            user, {"reason.value": reason}
        )

    async def submit(self, user: str, values: Mapping[str, str] | None = None) -> str:
        """Send the form on top; what it then says, its errors first."""
        answer = await self.hand(user).submit(values)
        assert (answer.status, answer.error) == (200, None), answer
        await self.calm()
        view = self.ws.views(user)[-1]
        return "\n".join([*view.errors.values(), text_of(view)])

    def words(self, user: str) -> list[str]:
        """What only this person was told, here or by direct message, that no event explains."""
        said = [*self.ws.ephemerals(user), *(m for m in self.ws.dm(user) if not m.metadata)]
        return [m.text for m in sorted(said, key=lambda m: m.ts)]

    def dms(self, user: str) -> list[Message]:
        """The receipts, warnings and ends that this person was told by direct message."""
        return [m for m in self.ws.dm(user) if m.metadata]

    def mend(self, method: str) -> None:
        """Let a method of Slack's fail no longer."""
        self.w.slack._api._faults.pop(method, None)

    # --- what stands in Slack -----------------------------------------------------------------------

    def cards(self, id: str = "R-1") -> list[Message]:
        return [m for m in self.ws.messages(REVIEW) if key_of(m) == f"{id}/card"]

    def card(self, id: str = "R-1") -> Message:
        (found,) = self.cards(id)
        return found

    def says(self, id: str = "R-1") -> str:
        """Everything on the card, as a text."""
        return text_of(self.card(id))

    def thread(self, id: str = "R-1") -> list[str]:
        """What is told in the thread, event by event: one message can tell several."""
        told = []
        for m in self.thread_messages(id):
            told += [b["text"]["text"] for b in m.blocks if b["type"] == "section"] or [m.text]
        return told

    def thread_messages(self, id: str = "R-1") -> list[Message]:
        return self.ws.replies(REVIEW, self.card(id).ts)

    # --- what stands in the ledger ------------------------------------------------------------------

    async def request(self, id: str = "R-1") -> Request:
        found = await self.w.store.run(lambda tx: ledger.request(tx, id))
        assert found is not None
        return found

    async def phase(self, id: str = "R-1") -> Phase:
        return (await self.request(id)).phase(self.w.clock.now())

    async def events(self, id: str = "R-1") -> list[Event]:
        return [e for _, e in await self.w.store.run(lambda tx: ledger.events(tx, id))]

    async def kinds(self, id: str = "R-1") -> list[str]:
        return [e.kind for e in await self.events(id)]

    async def waiting(self, id: str = "R-1") -> str:
        """Why the last Start of a request had to wait; empty if it did not."""
        (row,) = await self.w.store.run(
            lambda tx: tx.query("SELECT waiting FROM requests WHERE id = :id", id=id)
        )
        return row["waiting"] or ""

    # --- whole stretches ----------------------------------------------------------------------------

    async def cooling_off(self, handle: str = "@pres1dent", **more: str) -> str:
        """A request that has its quorum."""
        id = await self.file(handle, **more)
        await self.approve(TESSA, id)
        assert await self.phase(id) is Phase.COOLING_OFF
        return id

    async def executed(self, handle: str = "@pres1dent", **more: str) -> str:
        """A request that was approved and carried out."""
        id = await self.cooling_off(handle, **more)
        await self.until_ready(id)
        assert await self.phase(id) is Phase.EXECUTED
        return id

    async def until_ready(self, id: str = "R-1") -> None:
        """Skip to the end of the cool-off, and let happen what it brings."""
        eta = (await self.request(id)).eta
        assert eta is not None
        await self.skip(eta - self.w.clock.now())
        await self.calm()

    def deactivated(self, account: str = PRES1DENT) -> bool:
        return self.w.platform.accounts[account].state == "deactivated"


def sent_from(tx: Tx) -> list[int]:
    """When (ms) each row that waits is due, and its place free."""
    rows = tx.query(
        "SELECT CASE WHEN due_at < coalesce(free_at, 0) THEN free_at ELSE due_at END AS at"
        " FROM outbox LEFT JOIN pace ON pace.place = outbox.place"
    )
    return [row["at"] for row in rows]


def keys_of(message: Message) -> list[str]:
    """The rows that it tells of, in their order; none if it is not ours."""
    marks = (message.metadata or {}).get("event_payload", {})
    return [marks["key"], *marks.get("also", ())] if marks else []


def key_of(message: Message) -> str:
    return str((message.metadata or {}).get("event_payload", {}).get("key", ""))


def texts(part: object) -> Iterator[str]:
    """Every text in blocks, in order."""
    if isinstance(part, list):
        for one in part:
            yield from texts(one)
    elif isinstance(part, dict):
        for key, one in part.items():
            if key == "text" and isinstance(one, str):
                yield one
            else:
                yield from texts(one)


def text_of(shown: Message | View) -> str:
    return "\n".join(texts(shown.blocks))


def mrkdwn(part: object) -> Iterator[dict[str, Any]]:
    """Every mrkdwn object in blocks."""
    if isinstance(part, list):
        for one in part:
            yield from mrkdwn(one)
    elif isinstance(part, dict):
        if part.get("type") == "mrkdwn":
            yield part
        for one in part.values():
            yield from mrkdwn(one)


def buttons(shown: Message | View) -> list[dict[str, Any]]:
    """What can be clicked in a message or a view."""
    found = []
    for block in shown.blocks:
        elements = [*block.get("elements", ()), block.get("accessory")]
        found += [e for e in elements if e and "action_id" in e]
    return found


def labels(shown: Message | View) -> set[str]:
    """What its buttons and menus offer, as people read it."""
    found = set()
    for element in buttons(shown):
        if "options" in element:
            found |= {o["text"]["text"] for o in element["options"]}
        else:
            found.add(element["text"]["text"])
    return found
