"""What is posted to a `response_url`: an answer to one person, or a change of what they clicked."""

from typing import Any

from bot.sandbox.slack.chat import checked_blocks, checked_words
from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.tickets import ResponseUrl
from bot.sandbox.slack.workspace import Workspace


def answer_response_url(ws: Workspace, url: ResponseUrl, said: Any) -> None:
    if not isinstance(said, dict):
        raise Refusal("invalid_payload")
    if _yes(said.get("delete_original")):
        _delete(ws, url)
        return
    text = str(said.get("text") or "")
    blocks = checked_blocks(ws, said.get("blocks"))
    checked_words(ws, text, blocks)
    if ws.strict and url.source is not None and said.get("replace_original") is None:
        raise Refusal("replace_original_not_said")
    if _yes(said.get("replace_original")):
        if url.source is None or not ws.exists(url.source):
            raise Refusal("message_not_found")
        # As Slack does: what is not sent again is gone.
        ws.edit(url.source, text, blocks or [])
        return
    thread_ts = said.get("thread_ts")
    if thread_ts is not None and ws.message(url.channel, thread_ts) is None:
        raise Refusal("thread_not_found")
    if said.get("response_type") == "in_channel":
        ws.post(url.channel, text, blocks, thread_ts=thread_ts)
    else:
        ws.whisper(url.user, url.channel, text, blocks, thread_ts=thread_ts)


def _delete(ws: Workspace, url: ResponseUrl) -> None:
    source = url.source
    if source is None or not ws.exists(source):
        raise Refusal("message_not_found")
    if source.ephemeral_to is not None:
        ws.unwhisper(source)
    else:
        ws.delete_message(source.channel, source.ts)


def _yes(value: object) -> bool:
    return value is True or value == "true"
