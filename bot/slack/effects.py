"""Outbox rows to Slack: the card, the thread, direct messages. A post is marked with its row's key
in its metadata, so that it can be found again after an answer that was lost."""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.audit.export import ExportError, Unfit
from bot.audit.exporting import Exporter
from bot.core.events import (
    Exported,
    Filed,
    PolicyAdopted,
    QuorumReached,
    Reopened,
    RequestEvent,
)
from bot.core.policy import Policy
from bot.core.request import Request, evolve
from bot.engine import Engine
from bot.ledger.checkpoint import short
from bot.ports import NotDelivered, Post, Rate, refuse_late
from bot.slack.files import Files
from bot.slack.trouble import (
    GONE,
    HELD,
    NO_PARENT,
    UNCLEAR,
    UNREACHABLE,
    error_of,
    pause_of,
    status_of,
)
from bot.slack.views import card, coming, told
from bot.slack.views.common import Blocks, context, section
from bot.store import digest, ledger, outbox, tree, undelivered

Message = dict[str, Any]
Method = Callable[..., Coroutine[Any, Any, AsyncSlackResponse]]

EVENT_TYPE = "nolone"
CLOCKS_DIFFER = 15 * 60_000  # ms at most between Slack's clock and ours
HELD_FOR = 30_000  # ms between tries of what somebody has to put right at Slack
# Slack takes about one message a second in a channel, direct messages too, and somewhat more at
# first; of changes to messages 50 a minute and more in all
RATES = {"channel": Rate(3, 1000), "direct": Rate(3, 1000), "update": Rate(20, 1200)}
DIGEST_NAMES = 10  # requests that a digest names
DIGEST_SINCE = 60 * 60_000  # ms back that a digest is looked for whose answer was lost
TOGETHER = 10  # replies in one message at most
TOGETHER_LENGTH = 3000  # characters in all; Slack refuses to change what is longer than 4000


class Told(NamedTuple):
    """An event, and its request as it was right after it."""

    seq: int
    request: Request
    event: RequestEvent


def _keys(message: Message) -> set[str]:
    """The rows that a message of ours tells of."""
    marks = message.get("metadata", {}).get("event_payload", {})
    return {marks.get("key"), *marks.get("also", ())}


class SlackMessenger:
    rates: Mapping[str, Rate] = RATES

    def __init__(self, engine: Engine, client: AsyncWebClient, exports: Exporter) -> None:
        self._engine = engine
        self._client = client
        self._busy_until: dict[tuple[str, str], int] = {}  # ms: Slack asked for a pause
        self._files = Files(client, exports, self._call, self._find_text)

    async def deliver(
        self, key: str, stream: str, seq: int, what: str, to: str, look: bool
    ) -> Post | None:
        match what:
            case "card":
                return await self._card(key, stream, look)
            case "thread":
                return await self._thread(key, stream, seq, look)
            case "direct":
                return await self._direct(key, stream, seq, to, look)
            case "file":
                return await self._file(key, seq, to, look)
            case "digest":
                return await self._digest(key, seq, look)
            case _:
                return await self._channel(key, seq, look)

    @property
    def _policy(self) -> Policy:
        return self._engine.policy

    # --- the card -----------------------------------------------------------------------------

    async def _card(self, key: str, id: str, look: bool) -> Post:
        judged = await self._engine.assessment(id)
        assert judged is not None
        a, _, _ = judged
        mark = await self._mark(
            await self._engine.store.run(lambda tx: ledger.last_seq(tx, id), alone=False)
        )
        late, waits = await self._engine.store.run(
            lambda tx: (undelivered.of(tx, id), undelivered.waiting(tx, id))
        )
        trouble = [told.undelivered(row) for row in [*waits, *late]]

        def render() -> tuple[str, Blocks]:
            return card.render(a, self._engine.reversibility(a.request), mark, trouble)

        text, blocks = render()
        channel, note, now = self._policy.channels.review, "", self._engine.clock.now()
        at = await self._engine.store.run(lambda tx: outbox.post(tx, key), alone=False)
        standing = None if at is None else Post(*at)
        if standing is not None:
            try:
                return await self._change(standing, text, blocks)
            except NotDelivered as e:
                if str(e) not in GONE:
                    raise
                note = f"The card before this one {GONE[str(e)]}."
        if look and (found := await self._find(key, channel, a.request.filed_at)) is not None:
            post = Post(channel, found["ts"])
            if post != standing:
                return await self._change(post, text, blocks)
        if standing is not None:
            await self._take_away(standing)
            await self._engine.store.run(lambda tx: undelivered.note(tx, id, note, now))
            trouble.append(note)
            text, blocks = render()
            text = f"{text} ({note})"
        return await self._post(key, channel, text, blocks)

    async def _take_away(self, post: Post) -> None:
        """Delete what cannot be changed any more, where Slack lets us."""
        try:
            await self._call(
                self._client.chat_delete, post.channel, channel=post.channel, ts=post.ts
            )
        except NotDelivered as e:
            if str(e) not in {"message_not_found", "cant_delete_message"}:
                raise

    def _mentions(self) -> str:
        groups = self._policy.people.reviewers.values()
        said = []
        for group in groups:
            if group.usergroup is not None:
                said.append(f"<!subteam^{group.usergroup}>")
            else:
                said += [f"<@{u}>" for u in sorted(group.users or ())]
        return f" · {' '.join(said)}" if said else ""

    # --- replies and messages ---------------------------------------------------------------------

    async def _stories(self, stream: str, seqs: Collection[int]) -> list[Told]:
        """The events at `seqs`, and the request as it was right after each."""
        request: Request | None = None
        found = []
        for at, event in await self._engine.store.run(
            lambda tx: ledger.events(tx, stream), alone=False
        ):
            assert isinstance(event, RequestEvent)
            request = evolve(request, event)
            if at in seqs:
                found.append(Told(at, request, event))
        if len(found) != len(seqs):
            raise LookupError(f"{stream} has not all of the entries {seqs}")
        return found

    async def _reply(self, one: Told) -> tuple[str, Blocks]:
        text = told.thread(one.request, one.event)
        mentioned = isinstance(one.event, Filed | Reopened | QuorumReached)
        if mentioned and one.request.pinned.approvals > 0:
            text += self._mentions()
        return text, [section(text), context(await self._mark(one.seq))]

    async def _thread(self, key: str, stream: str, seq: int, look: bool) -> Post | None:
        """Tell an event, and in the same message those that wait behind it, in their order."""
        parent, before, behind = await self._engine.store.run(
            lambda tx: (
                outbox.post(tx, f"{stream}/card"),
                outbox.post(tx, key),
                outbox.behind(tx, key, TOGETHER - 1),
            )
        )
        if parent is None:
            raise NotDelivered("the card is not in Slack yet", retry_after_ms=500)
        channel, ts = parent
        if before is not None:  # asked for again: it reads otherwise now
            return await self._retell(stream, Post(*before))
        stories = await self._stories(stream, [seq, *(b.seq for b in behind)])
        if look and (there := await self._find(key, channel, stories[0].event.at, ts)) is not None:
            also = [b for b in behind if b.key in _keys(there)]
            post = Post(channel, there["ts"], also)
            now = await self._engine.request(stream)
            if now is not None and now.erasure is not None:
                return await self._retell(stream, post, [seq, *(b.seq for b in also)])
            return post
        texts: list[str] = []
        blocks: Blocks = []
        for story in stories:
            text, more = await self._reply(story)
            if texts and len("\n".join([*texts, text])) > TOGETHER_LENGTH:
                break
            texts.append(text)
            blocks += more
        also = behind[: len(texts) - 1]
        try:
            post = await self._post(
                key,
                channel,
                "\n".join(texts),
                blocks,
                [b.key for b in also],
                thread_ts=ts,
                reply_broadcast=any(told.broadcast(s.event) for s in stories[: len(texts)]),
            )
        except NotDelivered as e:
            if str(e) not in NO_PARENT:
                raise
            # the card was deleted since it was last rendered: without another, nothing more of
            # this request could be told
            now_ms = self._engine.clock.now()
            await self._engine.store.run(lambda tx: outbox.refresh_card(tx, stream, now_ms))
            raise NotDelivered("the card was deleted in Slack", retry_after_ms=1000) from e
        return post._replace(also=also)

    async def _retell(self, stream: str, post: Post, seqs: Collection[int] = ()) -> Post:
        """Put what is to be told now in the place of what was told, if that is still there. `seqs`:
        the entries that the message tells of, where that is not known yet."""
        seqs = seqs or await self._engine.store.run(
            lambda tx: outbox.told_by(tx, stream, post[:2]), alone=False
        )
        replies = [await self._reply(one) for one in await self._stories(stream, seqs)]
        text, blocks = "\n".join(t for t, _ in replies), [b for _, more in replies for b in more]
        try:
            await self._change(post, text, blocks)
        except NotDelivered as e:
            if str(e) not in GONE:
                raise
        return post

    async def _change(self, post: Post, text: str, blocks: Blocks) -> Post:
        await self._call(
            self._client.chat_update,
            post.channel,
            channel=post.channel,
            ts=post.ts,
            text=text,
            blocks=blocks,
        )
        return post

    async def _digest(self, key: str, seq: int, look: bool) -> Post | None:
        """Say which requests have no card yet, in one message; None: all have theirs now."""
        cards, oldest = await self._engine.store.run(lambda tx: digest.waiting(tx, DIGEST_NAMES))
        text, mark = told.digest(cards, oldest), f"{key}/{seq}"
        channel = self._policy.channels.review
        at = await self._engine.store.run(lambda tx: outbox.post(tx, key), alone=False)
        post = None if at is None else Post(*at)
        if post is None and look:
            since = self._engine.clock.now() - DIGEST_SINCE
            there = await self._find(mark, channel, since)
            post = None if there is None else Post(channel, there["ts"])
        if post is not None:
            try:
                await self._change(post, text, [section(text)])
                return post if cards else None
            except NotDelivered as e:
                if str(e) not in GONE:
                    raise
        if not cards:
            return None
        text += self._mentions()
        return await self._post(mark, channel, text, [section(text)])

    async def _direct(self, key: str, stream: str, seq: int, to: str, look: bool) -> Post | None:
        ((_, _, event),) = await self._stories(stream, [seq])
        judged = await self._engine.assessment(stream)
        assert judged is not None
        text, blocks = told.direct(judged[0], event, to, await self._mark(seq))
        try:
            if look:
                opened = await self._call(self._client.conversations_open, to, users=to)
                channel = opened["channel"]["id"]
                if (found := await self._find(key, channel, event.at)) is not None:
                    return Post(channel, found["ts"])
            return await self._post(key, to, text, blocks)
        except NotDelivered as e:
            if str(e) not in UNREACHABLE:
                raise
            raise NotDelivered(str(e), final=True) from e

    async def _file(self, key: str, seq: int, to: str, look: bool) -> Post | None:
        event = await self._engine.store.run(lambda tx: ledger.event_at(tx, seq), alone=False)
        assert isinstance(event, Exported)
        try:
            if await self._files.send(key, event, seq, to, look):
                return None  # it stands where it is found, and is never changed
            text = coming.not_as_recorded(event, seq)
            return await self._post(key, to, text, [section(text)])
        except (ExportError, Unfit) as e:
            raise NotDelivered(str(e)) from e
        except NotDelivered as e:
            if str(e) not in UNREACHABLE:
                raise
            raise NotDelivered(str(e), final=True) from e

    async def _channel(self, key: str, seq: int, look: bool) -> Post | None:
        event = await self._engine.store.run(lambda tx: ledger.event_at(tx, seq), alone=False)
        assert isinstance(event, PolicyAdopted)
        if not event.changes.open.text:
            return None  # the first policy changes nothing
        channel = self._policy.channels.review
        if look and (found := await self._find(key, channel, event.at)) is not None:
            return Post(channel, found["ts"])
        text = told.policy(event, self._engine.clock.now())
        return await self._post(key, channel, text, [section(text), context(await self._mark(seq))])

    async def _mark(self, seq: int) -> str:
        """An entry's place, and the root over the trail up to it: whoever kept this message can hold
        the trail to it."""
        root = await self._engine.store.run(
            lambda tx: tree.root_at(tx, seq), durable=False, alone=False
        )
        return f"#{seq} · root {short(root)}"

    # --- Slack ------------------------------------------------------------------------------------

    async def _post(
        self,
        key: str,
        channel: str,
        text: str,
        blocks: Blocks,
        also: Sequence[str] = (),
        **more: Any,
    ) -> Post:
        """`also`: the keys of what else it tells."""
        marks: dict[str, Any] = {"key": key, **({"also": list(also)} if also else {})}
        said = await self._call(
            self._client.chat_postMessage,
            channel,
            channel=channel,
            text=text,
            blocks=blocks,
            unfurl_links=False,
            unfurl_media=False,
            metadata={"event_type": EVENT_TYPE, "event_payload": marks},
            **more,
        )
        return Post(said["channel"], said["ts"])

    async def _find(
        self, key: str, channel: str, since: int, thread: str | None = None
    ) -> Message | None:
        """The newest message marked with `key`, sent after `since` (ms). Raises NotDelivered where
        that cannot be looked up."""
        return await self._search(lambda m: key in _keys(m), channel, since, thread)

    async def _find_text(self, text: str, since: int, channel: str) -> bool:
        """Whether a message with this in it was sent after `since` (ms). Raises as `_find`."""
        found = await self._search(lambda m: text in m.get("text", ""), channel, since)
        return found is not None

    async def _search(
        self, wanted: Callable[[Message], bool], channel: str, since: int, thread: str | None = None
    ) -> Message | None:
        more: dict[str, Any] = {"channel": channel, "include_all_metadata": True, "limit": 200}
        method: Method
        if thread is not None:
            method, more = self._client.conversations_replies, more | {"ts": thread}
        else:
            # our clock may have been set while no process ran, and then be far ahead of Slack's
            newest = await self._engine.store.run(outbox.newest_post, alone=False)
            since = min(since, newest or since) - CLOCKS_DIFFER
            method, more = (
                self._client.conversations_history,
                more | {"oldest": f"{since / 1000:.3f}"},
            )
        cursor = ""
        while True:
            said = await self._call(method, channel, cursor=cursor, **more)
            for message in said["messages"]:
                if wanted(message):
                    found: Message = message
                    return found
            cursor = (said.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return None

    async def _call(self, method: Method, where: str, /, **args: Any) -> AsyncSlackResponse:
        """One call about a channel; what goes wrong is told as NotDelivered."""
        now = self._engine.clock.now()
        lane = (method.__name__, where)  # Slack counts each method by itself
        if (until := self._busy_until.get(lane, 0)) > now:
            raise NotDelivered("Slack asked for a pause", retry_after_ms=until - now, busy=True)
        refuse_late()
        try:
            return await method(**args)
        except SlackApiError as e:
            error = error_of(e)
            if (pause := pause_of(e)) is not None:
                self._busy_until[lane] = now + pause
                raise NotDelivered(
                    "Slack asked for a pause", retry_after_ms=pause, busy=True
                ) from e
            if status_of(e) >= 500 or error in UNCLEAR:
                raise NotDelivered(f"Slack answers {error}", unclear=True) from e
            if error in HELD:
                raise NotDelivered(error, retry_after_ms=HELD_FOR, held=True) from e
            raise NotDelivered(error) from e
        except (ClientError, TimeoutError, OSError) as e:
            raise NotDelivered("Slack could not be reached", unclear=True) from e
