"""Outbox rows to Slack: the card, the thread, direct messages. A post is marked with its row's key
in its metadata, so that it can be found again after an answer that was lost."""

from collections.abc import Callable, Coroutine
from typing import Any

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
from bot.ports import NotDelivered, Post
from bot.slack.files import Files
from bot.slack.trouble import error_of, pause_of, status_of
from bot.slack.views import card, coming, told
from bot.slack.views.common import Blocks, context, section
from bot.store import ledger, outbox, tree

Message = dict[str, Any]
Method = Callable[..., Coroutine[Any, Any, AsyncSlackResponse]]

EVENT_TYPE = "nolone"
CLOCKS_DIFFER = 15 * 60_000  # ms at most between Slack's clock and ours
# Slack may have done what it did not answer to
UNCLEAR = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
# it can only come right when somebody changes something at Slack: tried again, and shown
HELD = {
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "restricted_action",
    "token_revoked",
    "account_inactive",
    "invalid_auth",
    "not_authed",
    "missing_scope",
}
HELD_FOR = 30_000  # ms between tries
NO_PARENT = {"cannot_reply_to_message", "message_not_found", "thread_not_found"}
# this person can never be told by DM
UNREACHABLE = {
    "cannot_dm_bot",
    "channel_not_found",
    "messages_tab_disabled",
    "user_disabled",
    "user_not_found",
}


class SlackMessenger:
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
        mark = await self._mark(await self._engine.store.run(lambda tx: ledger.last_seq(tx, id)))
        text, blocks = card.render(a, self._engine.reversibility(a.request), mark)
        post = await self._engine.store.run(lambda tx: outbox.post(tx, key))
        if post is not None:
            try:
                await self._call(
                    self._client.chat_update,
                    post[0],
                    channel=post[0],
                    ts=post[1],
                    text=text,
                    blocks=blocks,
                )
                return Post(*post)
            except NotDelivered as e:
                if str(e) != "message_not_found":
                    raise
                await self._engine.store.run(lambda tx: outbox.forget_post(tx, key))
                text = f"{text} (The card before this one was deleted in Slack.)"
                blocks.append(section("_The card before this one was deleted in Slack._"))
        channel = self._policy.channels.review
        if look and (found := await self._find(key, channel, a.request.filed_at)) is not None:
            await self._call(
                self._client.chat_update,
                channel,
                channel=channel,
                ts=found.ts,
                text=text,
                blocks=blocks,
            )
            return found
        return await self._post(key, channel, text, blocks)

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

    async def _story(self, stream: str, seq: int) -> tuple[Request, Any]:
        """The request as it was right after the event at `seq`, and that event."""
        request: Request | None = None
        for at, event in await self._engine.store.run(lambda tx: ledger.events(tx, stream)):
            assert isinstance(event, RequestEvent)
            request = evolve(request, event)
            if at == seq:
                return request, event
        raise LookupError(f"{stream} has no entry {seq}")

    async def _thread(self, key: str, stream: str, seq: int, look: bool) -> Post | None:
        request, event = await self._story(stream, seq)
        parent = await self._engine.store.run(lambda tx: outbox.post(tx, f"{stream}/card"))
        if parent is None:
            raise NotDelivered("the card is not in Slack yet", retry_after_ms=500)
        channel, ts = parent
        text = told.thread(request, event)
        if isinstance(event, Filed | Reopened | QuorumReached) and request.pinned.approvals > 0:
            text += self._mentions()
        blocks = [section(text), context(await self._mark(seq))]
        before = await self._engine.store.run(lambda tx: outbox.post(tx, key))
        if before is not None:  # asked for again: it reads otherwise now
            return await self._retell(Post(*before), text, blocks)
        if look and (found := await self._find(key, channel, event.at, ts)) is not None:
            now = await self._engine.request(stream)
            erased = now is not None and now.erasure is not None
            return await self._retell(found, text, blocks) if erased else found
        try:
            return await self._post(
                key,
                channel,
                text,
                blocks,
                thread_ts=ts,
                reply_broadcast=told.broadcast(event),
            )
        except NotDelivered as e:
            if str(e) not in NO_PARENT:
                raise
            # the card was deleted since it was last rendered: without another, nothing more of
            # this request could be told
            card_key = f"{stream}/card"
            again = await self._card(card_key, stream, look=False)
            await self._engine.store.run(lambda tx: outbox.keep_post(tx, card_key, again, seq))
            raise NotDelivered("the card was deleted in Slack", retry_after_ms=1000) from e

    async def _retell(self, post: Post, text: str, blocks: Blocks) -> Post:
        """Put this in the place of what was told, if that is still there."""
        try:
            await self._call(
                self._client.chat_update,
                post.channel,
                channel=post.channel,
                ts=post.ts,
                text=text,
                blocks=blocks,
            )
        except NotDelivered as e:
            if str(e) != "message_not_found":
                raise
        return post

    async def _direct(self, key: str, stream: str, seq: int, to: str, look: bool) -> Post | None:
        _, event = await self._story(stream, seq)
        judged = await self._engine.assessment(stream)
        assert judged is not None
        text, blocks = told.direct(judged[0], event, to, await self._mark(seq))
        try:
            if look:
                opened = await self._call(self._client.conversations_open, to, users=to)
                channel = opened["channel"]["id"]
                if (found := await self._find(key, channel, event.at)) is not None:
                    return found
            return await self._post(key, to, text, blocks)
        except NotDelivered as e:
            if str(e) not in UNREACHABLE:
                raise
            raise NotDelivered(str(e), final=True) from e

    async def _file(self, key: str, seq: int, to: str, look: bool) -> Post | None:
        event = await self._engine.store.run(lambda tx: ledger.event_at(tx, seq))
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
        event = await self._engine.store.run(lambda tx: ledger.event_at(tx, seq))
        assert isinstance(event, PolicyAdopted)
        if not event.changes.open.text:
            return None  # the first policy changes nothing
        channel = self._policy.channels.review
        if look and (found := await self._find(key, channel, event.at)) is not None:
            return found
        text = told.policy(event, self._engine.clock.now())
        return await self._post(key, channel, text, [section(text), context(await self._mark(seq))])

    async def _mark(self, seq: int) -> str:
        """An entry's place, and the root over the trail up to it: whoever kept this message can hold
        the trail to it."""
        root = await self._engine.store.run(lambda tx: tree.root_at(tx, seq), durable=False)
        return f"#{seq} · root {short(root)}"

    # --- Slack ------------------------------------------------------------------------------------

    async def _post(self, key: str, channel: str, text: str, blocks: Blocks, **more: Any) -> Post:
        said = await self._call(
            self._client.chat_postMessage,
            channel,
            channel=channel,
            text=text,
            blocks=blocks,
            unfurl_links=False,
            unfurl_media=False,
            metadata={"event_type": EVENT_TYPE, "event_payload": {"key": key}},
            **more,
        )
        return Post(said["channel"], said["ts"])

    async def _find(
        self, key: str, channel: str, since: int, thread: str | None = None
    ) -> Post | None:
        """The message marked with `key`, sent after `since` (ms). Raises NotDelivered where that
        cannot be looked up."""

        def marked(message: Message) -> bool:
            return bool(message.get("metadata", {}).get("event_payload", {}).get("key") == key)

        return await self._search(marked, channel, since, thread)

    async def _find_text(self, text: str, since: int, channel: str) -> bool:
        """Whether a message with this in it was sent after `since` (ms). Raises as `_find`."""
        found = await self._search(lambda m: text in m.get("text", ""), channel, since)
        return found is not None

    async def _search(
        self, wanted: Callable[[Message], bool], channel: str, since: int, thread: str | None = None
    ) -> Post | None:
        method: Method = self._client.conversations_history
        more: dict[str, Any] = {
            "channel": channel,
            "oldest": f"{(since - CLOCKS_DIFFER) / 1000:.3f}",
            "include_all_metadata": True,
            "limit": 200,
        }
        if thread is not None:
            method, more = self._client.conversations_replies, more | {"ts": thread}
        cursor = ""
        while True:
            said = await self._call(method, channel, cursor=cursor, **more)
            for message in said["messages"]:
                if wanted(message):
                    return Post(channel, message["ts"])
            cursor = (said.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return None

    async def _call(self, method: Method, where: str, /, **args: Any) -> AsyncSlackResponse:
        """One call about a channel; what goes wrong is told as NotDelivered."""
        now = self._engine.clock.now()
        lane = (method.__name__, where)  # Slack counts each method by itself
        if (until := self._busy_until.get(lane, 0)) > now:
            raise NotDelivered("Slack asked for a pause", retry_after_ms=until - now)
        try:
            return await method(**args)
        except SlackApiError as e:
            error = error_of(e)
            if (pause := pause_of(e)) is not None:
                self._busy_until[lane] = now + pause
                raise NotDelivered("Slack asked for a pause", retry_after_ms=pause) from e
            if status_of(e) >= 500 or error in UNCLEAR:
                raise NotDelivered(f"Slack answers {error}", unclear=True) from e
            if error in HELD:
                raise NotDelivered(error, retry_after_ms=HELD_FOR) from e
            raise NotDelivered(error) from e
        except (ClientError, TimeoutError, OSError) as e:
            raise NotDelivered("Slack could not be reached", unclear=True) from e
