"""The world behind the sandbox's page: what people do in it, and what is to be seen of it."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from bot.sandbox.asked import (
    Act,
    Choose,
    Click,
    Close,
    Fill,
    NotThere,
    OpenHome,
    Say,
    Submit,
    TypeCommand,
    Where,
)
from bot.sandbox.clock import SandboxClock
from bot.sandbox.platform_seeds import Account
from bot.sandbox.slack import Answer, ApiCall, Delivery, NoSuchButton
from bot.sandbox.slack.forms import NoSuchField
from bot.sandbox.slack.records import Message, View
from bot.sandbox.tampering import NothingToTamperWith, Way, tamper
from bot.sandbox.world import LOBBY, REVIEW, World, world
from bot.store.tx import Tx

GATHER = 0.03  # s: changes that come together are sent together
AT_MOST = 100  # rows of what goes on under the hood, in one answer

# Who is who, for the page: beyond what Slack knows of a person, what they are to the bot.
ROLES = {
    "U01AGENT": ("Bruno", "Agent", "may file a request"),
    "U02REV": ("Tessa", "Trust & safety", "may approve or veto"),
    "U03REV": ("Omar", "Trust & safety", "may approve or veto"),
    "U05LEGAL": ("Lena", "Legal", "may approve or veto, for legal"),
    "U09MANAGER": ("Max", "Manager", "may ask the trail"),
    "U07GUEST": ("Gus", "Guest", "may do nothing here"),
    "U08OTHER": ("Olga", "Other organisation", "may do nothing here"),
}

Json = dict[str, Any]


class Sandbox:
    """One world at a time, and everybody who watches it."""

    def __init__(self, base: Callable[[], int]) -> None:
        self._base = base
        self._stack = AsyncExitStack()
        self._resetting = asyncio.Lock()
        self._changed = asyncio.Event()
        self._http: aiohttp.ClientSession | None = None
        self.world: World
        self.number = 0
        """Which world this is; another one after each reset."""
        self.tampered: list[str] = []
        """What was done to this world's trail behind the bot's back, in words."""

    async def open(self) -> None:
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        await self._make()

    async def close(self) -> None:
        await self._stack.aclose()
        if self._http is not None:
            await self._http.close()

    async def reset(self) -> None:
        """A fresh world; the one before is gone, with its database."""
        async with self._resetting:
            before = self._stack
            await self._make()
            await before.aclose()
        self.changed()

    async def _make(self) -> None:
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nolone-sandbox-"))
            made = await stack.enter_async_context(
                world(SandboxClock(self._base), Path(folder) / "nolone.db")
            )
            made.slack.on_change.append(self.changed)
            made.platform.on_change.append(lambda _: self.changed())
            made.bot.engine.committed.append(lambda _: self.changed())
            made.bot.working.add_done_callback(lambda _: self.changed())
            self._stack = stack.pop_all()
        self.world = made
        self.number += 1
        self.tampered = []

    # --- watching ------------------------------------------------------------------------------

    def changed(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def next_change(self, within: float) -> bool:
        """Wait for a change; False if there was none in time."""
        changed = self._changed
        try:
            async with asyncio.timeout(within):
                await changed.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(GATHER)
        return True

    async def seen_by(self, who: str) -> Json:
        """All that the page shows to this person."""
        made, number = self.world, self.number
        unskipped, now = self._base(), made.clock.now()
        cooling, entries = await made.store.run(lambda tx: (_cooling(tx, now), _newest(tx)))
        workspace = made.slack.workspace
        people = []
        for id, (name, role, may) in ROLES.items():
            user = workspace.users[id]
            told = [m.ts for m in workspace.dm(id)]
            people.append(
                {
                    "id": id,
                    "name": name,
                    "handle": user.name,
                    "role": role,
                    "may": may,
                    "told": told[-1] if told else "",
                    "views": len(workspace.views(id)),
                }
            )
        return {
            "world": number,
            "now": now,
            "skipped": now - unskipped,
            "who": who,
            "review": REVIEW,
            "lobby": LOBBY,
            "people": people,
            "screen": made.slack.seen_by(who),
            "accounts": [_public(account) for account in made.platform.accounts.values()],
            "cooling": cooling,
            "tampered": self.tampered,
            "stopped": _why_stopped(made.bot.working),
            "hood": {
                "deliveries": len(made.slack.deliveries),
                "calls": len(made.slack.calls),
                "entries": entries,
            },
        }

    async def hood(self, kind: str, after: int) -> list[Json]:
        """What went on under the hood since row number `after`."""
        made = self.world
        if kind == "entries":
            return await made.store.run(lambda tx: _entries(tx, after))
        rows: list[Json]
        if kind == "deliveries":
            deliveries = made.slack.deliveries[after : after + AT_MOST]
            rows = [_delivery(one) for one in deliveries]
        else:
            calls = made.slack.calls[after : after + AT_MOST]
            rows = [_call(one) for one in calls]
        return [{"n": after + place, **row} for place, row in enumerate(rows, 1)]

    # --- acting --------------------------------------------------------------------------------

    async def act(self, asked: Act) -> Answer:
        """Do what a person does on the page. Raises NotThere where they could not."""
        slack = self.world.slack
        if asked.who not in ROLES:
            raise NotThere(f"there is no {asked.who}")
        hand = slack.as_user(asked.who)
        try:
            match asked:
                case TypeCommand():
                    channel = self._channel(asked.who, asked.channel)
                    return await hand.command(asked.command, asked.text, channel=channel)
                case Say():
                    channel = self._channel(asked.who, asked.channel)
                    text = _escaped(asked.text)
                    if (
                        asked.thread_ts
                        and slack.workspace.message(channel, asked.thread_ts) is None
                    ):
                        raise NotThere("there is no such thread")
                    slack.workspace.post(channel, text, user=asked.who, thread_ts=asked.thread_ts)
                case Click():
                    return await hand.click(
                        self._where(asked.who, asked.where), asked.action_id, asked.value
                    )
                case Choose():
                    return await hand.choose(
                        self._where(asked.who, asked.where), asked.action_id, asked.choice
                    )
                case Fill():
                    hand.fill(asked.values)
                case Submit():
                    return await hand.submit(asked.values)
                case Close():
                    return await hand.close()
                case OpenHome():
                    return await hand.open_home()
        except (NoSuchButton, NoSuchField) as e:
            raise NotThere(str(e)) from e
        finally:
            self.changed()  # a delivery and its answer stand under the hood now
        return Answer(0, None, 0.0, sent=False)

    def _channel(self, who: str, id: str) -> str:
        found = self.world.slack.workspace.channels.get(id)
        if id == f"D{who[1:]}":
            return self.world.slack.workspace.open_dm(who).id
        if found is None or who not in found.members:
            raise NotThere(f"{who} is in no channel {id}")
        return id

    def _where(self, who: str, where: Where) -> Message | View:
        workspace = self.world.slack.workspace
        if where.view:
            views = [*workspace.views(who), workspace.home(who)]
            found: Message | View | None = next(
                (v for v in views if v is not None and v.id == where.view), None
            )
        else:
            private = (m for m in workspace.ephemerals(who) if m.ts == where.ts)
            found = workspace.message(where.channel, where.ts) or next(private, None)
        if found is None:
            raise NotThere("that is not on the screen any more")
        return found

    # --- time ----------------------------------------------------------------------------------

    async def skip(self, minutes: int | None) -> int:
        """Let time pass; how much (ms). Raises NotThere where nothing cools off."""
        made = self.world
        if minutes is not None:
            ms = minutes * 60_000
        else:
            now = made.clock.now()
            cooling = await made.store.run(lambda tx: _cooling(tx, now))
            if not cooling:
                raise NotThere("nothing is cooling off")
            ms = max(0, int(cooling[0]["eta"]) - made.clock.now()) + 1
        made.clock.skip(ms)
        self.changed()
        return ms

    # --- behind the bot's back -----------------------------------------------------------------

    async def tamper(self, way: Way) -> str:
        """Tamper with the trail; what was done, in words. Raises NotThere where nothing can be."""
        made = self.world
        names = {id: name for id, (name, *_) in ROLES.items()}
        try:
            said = await asyncio.to_thread(tamper, made.database, way, names)
        except NothingToTamperWith as e:
            raise NotThere(str(e)) from e
        self.tampered.append(said)
        self.changed()
        return said

    # --- the platform --------------------------------------------------------------------------

    def file(self, who: str, id: str) -> tuple[str, bytes] | None:
        """Name and content of a file in a message that this person sees; None: there is none."""
        slack = self.world.slack
        seen = (
            message
            for channel in slack.workspace.channels.values()
            for message in channel.messages.values()
            if slack.workspace.sees(who, message)
        )
        if not any(shared["id"] == id for message in seen for shared in message.files):
            return None
        file = slack.files.known[id]
        assert file.content is not None
        return file.name, file.content

    async def public_page(self, path: str) -> tuple[int, str, str]:
        """What the platform shows to anybody, asked of it over HTTP: status, type, text."""
        assert self._http is not None
        url = self.world.platform.url + path
        async with self._http.get(url, allow_redirects=False) as answer:
            return answer.status, answer.content_type, await answer.text()


def _why_stopped(working: asyncio.Task[None]) -> str:
    """Why the bot does nothing by itself any more; empty while it does."""
    if not working.done() or working.cancelled():
        return ""
    return str(working.exception() or "")


def _cooling(tx: Tx, now: int) -> list[Json]:
    """The requests that wait for the end of their cool-off, the soonest first."""
    return [
        dict(row)
        for row in tx.query(
            "SELECT id, action, handle, quorum_at AS since, eta FROM requests"
            " WHERE ended_at IS NULL AND started_seq IS NULL AND quorum_at IS NOT NULL"
            " AND eta > :now ORDER BY eta, n",
            now=now,
        )
    ]


def _newest(tx: Tx) -> int:
    return int(tx.query("SELECT coalesce(max(seq), 0) AS seq FROM entries")[0]["seq"])


def _entries(tx: Tx, after: int) -> list[Json]:
    """Entries as they stand in the ledger, with what is kept beside them to open what is sealed."""
    rows = tx.query(
        "SELECT seq, stream, version, at, kind, actor, body FROM entries"
        " WHERE seq > :after ORDER BY seq LIMIT :most",
        after=after,
        most=AT_MOST,
    )
    entries = []
    for row in rows:
        beside = tx.query(
            "SELECT field, salt, value FROM openings WHERE seq = :seq ORDER BY field",
            seq=row["seq"],
        )
        body = row["body"].decode()
        openings = [{**one, "value": json.loads(one["value"])} for one in beside]
        entries.append({**row, "n": row["seq"], "body": body, "openings": openings})
    return entries


def _delivery(delivery: Delivery) -> Json:
    return {
        "kind": delivery.kind,
        "at": delivery.at,
        "who": _sender(delivery.payload),
        "headers": delivery.headers,
        "body": delivery.body.decode(errors="replace"),
        "payload": delivery.payload,
        "status": delivery.status,
        "answer": delivery.answer,
        "ms": round(delivery.elapsed * 1000, 1),
    }


def _sender(payload: Mapping[str, Any]) -> str:
    user = payload.get("user") or payload.get("event", {}).get("user")
    if isinstance(user, dict):
        user = user.get("id")
    return str(payload.get("user_id") or user or "")


def _call(call: ApiCall) -> Json:
    return {
        "method": call.method,
        "at": call.at,
        "args": dict(call.args),
        "answer": call.response,
    }


def _public(account: Account) -> Json:
    """What anybody can tell of an account by looking at Pipit; the rest is the staff's."""
    return {
        "id": account.id,
        "handle": account.handle,
        "name": account.display_name,
        "verified": account.verified,
        "followers": account.followers,
        "there": account.state == "active",
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
