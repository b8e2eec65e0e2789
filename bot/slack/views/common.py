"""What all views are made of: safe text, times in the reader's zone, blocks."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from bot.core.text import cut, one_line, utc, visible

Block = dict[str, Any]
Blocks = list[Block]

SECTION_MOST = 2900  # characters; Slack refuses 3000
# The one reason that names people; nothing in it was typed by anybody.
_NAMES_PEOPLE = "the quorum no longer stands ("
_PERSON = re.compile("&lt;@([UW][A-Z0-9]+)&gt;")


def escape(text: str) -> str:
    """`text` made visible, for mrkdwn: nothing in it is a mention or a link."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def reason(text: str) -> str:
    """Why something came about by itself, for mrkdwn."""
    safe = escape(text)
    if text.startswith(_NAMES_PEOPLE):
        safe = _PERSON.sub(r"<@\1>", safe)
    return safe


def user(id: str) -> str:
    """A mention of a person, or the worker in words."""
    return f"<@{id}>" if id[:1] in "UW" and id.isalnum() else escape(id)


def when(ms: int, style: str = "{date_short_pretty} at {time_secs}") -> str:
    """An instant in the reader's own zone; in UTC where that cannot be shown."""
    return f"<!date^{ms // 1000}^{style}|{utc(ms)}>"


def hosts(links: Sequence[str]) -> str:
    """The hosts that links lead to, in words; the links themselves are never fetched."""
    found = {urlsplit(link).hostname or "no host" for link in links}
    return ", ".join(sorted(one_line(h, 60) for h in found))


def mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def section(text: str, **more: Any) -> Block:
    return {"type": "section", "text": mrkdwn(cut(text, SECTION_MOST)), **more}


def quote(text: str) -> Block:
    """What somebody typed, as they typed it: no style, no mention, no link in it."""
    return {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_quote",
                "elements": [{"type": "text", "text": cut(visible(text), SECTION_MOST) or " "}],
            }
        ],
    }


def header(text: str) -> Block:
    return {"type": "header", "text": plain(one_line(text, 150))}


def fields(pairs: Sequence[tuple[str, str]]) -> Block:
    """Up to ten (name, mrkdwn) pairs."""
    return {"type": "section", "fields": [mrkdwn(f"*{n}*\n{cut(v, 1900)}") for n, v in pairs]}


def context(*texts: str) -> Block:
    return {"type": "context", "elements": [mrkdwn(cut(t, SECTION_MOST)) for t in texts]}


def confirm(title: str, text: str, yes: str, no: str = "Not now") -> Block:
    return {
        "title": plain(cut(title, 100)),
        "text": plain(cut(visible(text), 300)),
        "confirm": plain(cut(yes, 30)),
        "deny": plain(no),
    }


def button(
    label: str, action_id: str, value: str, style: str | None = None, ask: Block | None = None
) -> Block:
    made: Block = {
        "type": "button",
        "text": plain(label),
        "action_id": action_id,
        "value": value,
    }
    if style is not None:
        made["style"] = style
    if ask is not None:
        made["confirm"] = ask
    return made


def overflow(action_id: str, options: Sequence[tuple[str, str]], ask: Block | None = None) -> Block:
    """A menu of (label, value) options."""
    made: Block = {
        "type": "overflow",
        "action_id": action_id,
        "options": [{"text": plain(label), "value": value} for label, value in options],
    }
    if ask is not None:
        made["confirm"] = ask
    return made


def text_input(
    block_id: str,
    label: str,
    *,
    multiline: bool = False,
    optional: bool = False,
    hint: str | None = None,
    initial: str | None = None,
    most: int = 3000,
) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": "value",
        "multiline": multiline,
        "max_length": most,
    }
    if initial:
        element["initial_value"] = initial
    made: Block = {
        "type": "input",
        "block_id": block_id,
        "label": plain(label),
        "optional": optional,
        "element": element,
    }
    if hint is not None:
        made["hint"] = plain(hint)
    return made


def modal(
    title: str,
    blocks: Blocks,
    *,
    callback_id: str,
    submit: str | None = None,
    close: str = "Close",
    metadata: str = "",
) -> Block:
    made: Block = {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain(cut(title, 24)),
        "close": plain(close),
        "private_metadata": metadata,
        "blocks": blocks,
    }
    if submit is not None:
        made["submit"] = plain(submit)
    return made


def typed(view: Block, block_id: str, action_id: str = "value") -> str:
    """What was typed or chosen in a form's field; empty if nothing was."""
    field = view["state"]["values"].get(block_id, {}).get(action_id, {})
    if (option := field.get("selected_option")) is not None:
        value: str = option["value"]
        return value
    return field.get("value") or ""
