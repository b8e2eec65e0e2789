"""The `rich_text` block: what may stand in it."""

from bot.sandbox.slack.schema import Check, boolean, by_type, integer, listing, literal, obj, string

_TYPE = {"type": string(255)}
_STYLE = obj({}, dict.fromkeys(("bold", "italic", "strike", "code", "underline"), boolean))
_MENTION_STYLE = obj(
    {},
    dict.fromkeys(("bold", "italic", "strike", "highlight", "client_highlight", "unlink"), boolean),
)
_SECONDS = integer(0, 2**53)

_TEXT = obj({**_TYPE, "text": string(40_000)}, {"style": _STYLE})
_LINK = obj(
    {**_TYPE, "url": string(3000)},
    {"text": string(40_000), "unsafe": boolean, "style": _STYLE},
)

_INLINE = by_type(
    {
        "text": _TEXT,
        "link": _LINK,
        "user": obj({**_TYPE, "user_id": string(255)}, {"style": _MENTION_STYLE}),
        "usergroup": obj({**_TYPE, "usergroup_id": string(255)}, {"style": _MENTION_STYLE}),
        "channel": obj({**_TYPE, "channel_id": string(255)}, {"style": _MENTION_STYLE}),
        "emoji": obj({**_TYPE, "name": string(255)}, {"unicode": string(255), "style": _STYLE}),
        "date": obj(
            {**_TYPE, "timestamp": _SECONDS, "format": string(255)},
            {"url": string(3000), "fallback": string(255), "style": _STYLE},
        ),
        "broadcast": obj(
            {**_TYPE, "range": literal("here", "channel", "everyone")}, {"style": _STYLE}
        ),
    }
)

_BORDER = integer(0, 1)
_SECTION = obj({**_TYPE, "elements": listing(_INLINE, 0, 10_000)})

RICH_TEXT_ELEMENT: Check = by_type(
    {
        "rich_text_section": _SECTION,
        "rich_text_quote": obj(
            {**_TYPE, "elements": listing(_INLINE, 0, 10_000)}, {"border": _BORDER}
        ),
        "rich_text_preformatted": obj(
            {**_TYPE, "elements": listing(by_type({"text": _TEXT, "link": _LINK}), 0, 10_000)},
            {"border": _BORDER, "language": string(255)},
        ),
        "rich_text_list": obj(
            {
                **_TYPE,
                "style": literal("bullet", "ordered"),
                "elements": listing(by_type({"rich_text_section": _SECTION}), 1, 10_000),
            },
            {"indent": integer(0, 8), "offset": integer(0, 10_000), "border": _BORDER},
        ),
    }
)
