"""The `chat.*` methods."""

import json
from collections.abc import Mapping
from typing import Any

from bot.sandbox.slack.blocks import message_problems
from bot.sandbox.slack.call import Call, Json, Method
from bot.sandbox.slack.records import BOT_USER, Channel, Message
from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.workspace import Workspace

POST_LENGTH = 40_000
"""A longer text is cut off in `chat.postMessage`."""
EDIT_LENGTH = 4_000
"""A longer text is refused in `chat.update` and `chat.postEphemeral`."""
METADATA_BYTES = 16_384
BLOCKS_LENGTH = 13_200
"""All the text in a message's blocks; undocumented, and each block costs something too."""
BLOCK_COST = 125


def checked_blocks(ws: Workspace, blocks: Any) -> list[Json] | None:
    """Blocks that Slack takes; None when none were given."""
    if blocks is None:
        return None
    if not isinstance(blocks, list):
        raise Refusal("invalid_blocks_format")
    problems = message_problems(blocks, charts_taken=ws.charts_taken)
    if problems:
        raise Refusal("invalid_blocks", problems, errors=[p[8:] for p in problems])
    return blocks


def _posted_blocks(ws: Workspace, call: Call) -> list[Json] | None:
    blocks = checked_blocks(ws, call.document("blocks", "invalid_blocks_format"))
    if _length(blocks) + BLOCK_COST * len(blocks or []) > BLOCKS_LENGTH:
        raise Refusal("msg_blocks_too_long")
    return blocks


def _length(part: object) -> int:
    """The text in a part of a message, however deep it stands."""
    if isinstance(part, list):
        return sum(_length(one) for one in part)
    if not isinstance(part, dict):
        return 0
    return sum(
        len(one) if key == "text" and isinstance(one, str) else _length(one)
        for key, one in part.items()
    )


def checked_words(ws: Workspace, text: str, blocks: list[Json] | None) -> None:
    if not text.strip() and (ws.strict or not blocks):
        raise Refusal("no_text")


def _metadata(call: Call) -> Json | None:
    metadata = call.document("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise Refusal("invalid_metadata_format")
    if metadata == {}:
        return {}
    kind, payload = metadata.get("event_type"), metadata.get("event_payload")
    extra = set(metadata) - {"event_type", "event_payload", "entities"}
    if not isinstance(kind, str) or not kind or not isinstance(payload, dict) or extra:
        raise Refusal("invalid_metadata_schema")
    if len(json.dumps(metadata)) > METADATA_BYTES:
        raise Refusal("metadata_too_large")
    return metadata


def _place(ws: Workspace, call: Call, *, opens_dm: bool = False) -> Channel:
    """The channel of a call, if the bot may write there."""
    name = call.required("channel")
    if opens_dm and name in ws.users:
        if name == BOT_USER:
            raise Refusal("channel_not_found")
        name = ws.open_dm(name).id
    channel = ws.channels.get(name)
    if channel is None:
        raise Refusal("channel_not_found")
    if BOT_USER not in channel.members:
        if channel.private:
            raise Refusal("channel_not_found")
        if "chat:write.public" not in call.scopes:
            raise Refusal("not_in_channel")
    if channel.im_with is not None and ws.users[channel.im_with].deleted:
        raise Refusal("channel_not_found")
    if channel.archived:
        raise Refusal("is_archived")
    return channel


def _thread(ws: Workspace, channel: Channel, call: Call) -> str | None:
    thread_ts = call.text("thread_ts")
    if not thread_ts:
        return None
    parent = ws.message(channel.id, thread_ts)
    if parent is None or parent.thread_ts not in (None, parent.ts):
        raise Refusal("cannot_reply_to_message")
    if thread_ts in channel.locked_threads:
        raise Refusal("restricted_action_thread_locked")
    return thread_ts


def _own(ws: Workspace, channel: Channel, call: Call, refusal: str) -> Message:
    message = ws.message(channel.id, call.required("ts"))
    if message is None or message.tombstone:
        raise Refusal("message_not_found")
    if message.user != BOT_USER:
        raise Refusal(refusal)
    return message


def post_message(ws: Workspace, call: Call) -> Json:
    channel = _place(ws, call, opens_dm=True)
    blocks = _posted_blocks(ws, call)
    text = call.text("text")
    checked_words(ws, text, blocks)
    metadata = _metadata(call)
    thread_ts = _thread(ws, channel, call)
    message = ws.post(
        channel.id,
        text[:POST_LENGTH],
        blocks,
        metadata=metadata or None,
        thread_ts=thread_ts,
        reply_broadcast=thread_ts is not None and call.flag("reply_broadcast"),
    )
    shown = message.payload()
    return {"ok": True, "channel": channel.id, "ts": message.ts, "message": shown}


def post_ephemeral(ws: Workspace, call: Call) -> Json:
    channel = _place(ws, call)
    user = call.required("user")
    if user not in channel.members:
        raise Refusal("user_not_in_channel")
    blocks = _posted_blocks(ws, call)
    text = call.text("text")
    if len(text) > EDIT_LENGTH:
        raise Refusal("msg_too_long")
    checked_words(ws, text, blocks)
    thread_ts = _thread(ws, channel, call)
    message = ws.whisper(user, channel.id, text, blocks, thread_ts=thread_ts)
    return {"ok": True, "message_ts": message.ts}


def update(ws: Workspace, call: Call) -> Json:
    channel = _place(ws, call)
    message = _own(ws, channel, call, "cant_update_message")
    age = ws.clock.now() - round(float(message.ts) * 1000)
    if ws.edit_window is not None and age > ws.edit_window:
        raise Refusal("edit_window_closed")
    blocks = _posted_blocks(ws, call)
    text = call.text("text")
    if len(text) > EDIT_LENGTH:
        raise Refusal("msg_too_long")
    checked_words(ws, text, blocks)
    metadata = _metadata(call)
    if metadata is not None:
        message.metadata = metadata or None
    if call.flag("reply_broadcast"):
        if message.thread_ts in (None, message.ts):
            raise Refusal("cant_broadcast_message")
        message.reply_broadcast = True
    # A text without blocks takes the blocks away; blocks without a text leave the text.
    ws.edit(message, text or None, [] if text and blocks is None else blocks)
    shown = message.payload()
    return {
        "ok": True,
        "channel": channel.id,
        "ts": message.ts,
        "text": message.text,
        "message": shown,
    }


def delete(ws: Workspace, call: Call) -> Json:
    channel = _place(ws, call)
    message = _own(ws, channel, call, "cant_delete_message")
    ws.delete_message(channel.id, message.ts)
    return {"ok": True, "channel": channel.id, "ts": message.ts}


def get_permalink(ws: Workspace, call: Call) -> Json:
    channel = ws.channels.get(call.required("channel"))
    if channel is None or BOT_USER not in channel.members:
        raise Refusal("channel_not_found")
    message = ws.message(channel.id, call.required("message_ts"))
    if message is None:
        raise Refusal("message_not_found")
    link = f"https://{ws.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts not in (None, message.ts):
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"ok": True, "channel": channel.id, "permalink": link}


METHODS: Mapping[str, Method] = {
    # Its own limit, one a second in each channel, is the API's business.
    "chat.postMessage": Method(post_message, "chat:write", per_minute=600),
    "chat.postEphemeral": Method(post_ephemeral, "chat:write"),
    "chat.update": Method(update, "chat:write", per_minute=50),
    "chat.delete": Method(delete, "chat:write", per_minute=50),
    "chat.getPermalink": Method(get_permalink, per_minute=600),
}
