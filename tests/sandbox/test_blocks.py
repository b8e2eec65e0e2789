"""What Block Kit refuses, and with which pointer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.slack.blocks import message_problems, view_problems

Json = dict[str, Any]


def plain(length: int = 2) -> Json:
    return {"type": "plain_text", "text": "x" * length}


def mrkdwn(length: int = 2) -> Json:
    return {"type": "mrkdwn", "text": "x" * length}


def button(**more: Any) -> Json:
    return {"type": "button", "text": plain(), "action_id": "go", **more}


def options(count: int) -> list[Json]:
    return [{"text": plain(), "value": str(n)} for n in range(count)]


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def field(**element: Any) -> Json:
    return {"type": "input", "label": plain(), "element": {"action_id": "a", **element}}


def rich(*elements: Json) -> Json:
    section = {"type": "rich_text_section", "elements": list(elements)}
    return {"type": "rich_text", "elements": [section]}


CONFIRM: Json = {"title": plain(100), "text": plain(300), "confirm": plain(30), "deny": plain(30)}

TAKEN: list[Json] = [
    {"type": "section", "text": mrkdwn(3000)},
    {"type": "section", "fields": [plain(2000)] * 10},
    {"type": "section", "text": plain(), "accessory": button()},
    {"type": "header", "text": plain(150)},
    {"type": "divider"},
    {"type": "context", "elements": [mrkdwn()] * 10},
    {"type": "image", "image_url": "https://example.org/x.png", "alt_text": "x"},
    actions(*[button(action_id=str(n)) for n in range(25)]),
    actions(button(value="x" * 2000, style="danger", confirm=CONFIRM)),
    actions({"type": "overflow", "action_id": "more", "options": options(5)}),
    actions({"type": "datepicker", "action_id": "d", "initial_date": "2025-10-09"}),
    field(type="plain_text_input", max_length=3000, multiline=True),
    field(type="static_select", options=options(100), initial_option=options(1)[0]),
    field(type="multi_static_select", options=options(3), initial_options=options(2)),
    field(type="radio_buttons", options=options(10)),
    field(type="checkboxes", options=options(10)),
    field(type="number_input", is_decimal_allowed=False),
    field(type="url_text_input"),
    field(type="email_text_input"),
    rich(
        {"type": "text", "text": "a", "style": {"bold": True, "code": True}},
        {"type": "user", "user_id": "U01"},
        {"type": "usergroup", "usergroup_id": "S01"},
        {"type": "emoji", "name": "wave"},
        {"type": "link", "url": "https://example.org", "text": "x"},
        {"type": "date", "timestamp": 1, "format": "{date_num}", "fallback": "then"},
        {"type": "broadcast", "range": "here"},
    ),
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_list",
                "style": "bullet",
                "indent": 1,
                "elements": [
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "a"}]}
                ],
            },
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "a"}]},
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "a"}]},
        ],
    },
]

REFUSED: list[tuple[Json, str]] = [
    ({"type": "section"}, "must define either `text` or `fields` [json-pointer:/blocks/0]"),
    ({"type": "section", "text": mrkdwn(3001)}, "must be less than 3001 characters"),
    ({"type": "section", "text": mrkdwn(0)}, "[json-pointer:/blocks/0/text/text]"),
    ({"type": "section", "text": {"type": "html", "text": "x"}}, "unsupported type: html"),
    ({"type": "section", "text": {**mrkdwn(), "emoji": True}}, "additional property: emoji"),
    ({"type": "section", "fields": [plain()] * 11}, "no more than 10 items"),
    ({"type": "section", "fields": [plain(2001)]}, "[json-pointer:/blocks/0/fields/0/text]"),
    ({"type": "section", "text": plain(), "accesory": button()}, "additional property: accesory"),
    ({"type": "header", "text": mrkdwn()}, "unsupported type: mrkdwn"),
    ({"type": "header", "text": plain(151)}, "less than 151"),
    ({"type": "context", "elements": [mrkdwn()] * 11}, "no more than 10 items"),
    ({"type": "context", "elements": []}, "no fewer than 1 items"),
    ({"type": "video"}, "unsupported type: video [json-pointer:/blocks/0/type]"),
    ({"type": "image", "image_url": "https://example.org/x.png"}, "required field: alt_text"),
    ({"text": plain()}, "missing required field: type"),
    ({"type": "divider", "block_id": "x" * 256}, "less than 256"),
    (actions(), "no fewer than 1 items"),
    (actions(*[button(action_id=str(n)) for n in range(26)]), "no more than 25 items"),
    (actions(button(), button()), "action_id is not unique"),
    (actions(button(text=plain(76))), "less than 76"),
    (actions(button(text=mrkdwn())), "unsupported type: mrkdwn"),
    (actions(button(value="x" * 2001)), "less than 2001"),
    (actions(button(value=7)), "must be a string"),
    (actions(button(style="default")), "valid enum value"),
    (actions(button(url="x" * 3001)), "less than 3001"),
    (actions(button(action_id="x" * 256)), "less than 256"),
    (actions(button(confirm={**CONFIRM, "title": plain(101)})), "less than 101"),
    (actions(button(confirm={**CONFIRM, "text": plain(301)})), "less than 301"),
    (actions(button(confirm={**CONFIRM, "deny": plain(31)})), "less than 31"),
    (actions({"type": "overflow", "options": options(6)}), "no more than 5 items"),
    (actions({"type": "plain_text_input"}), "unsupported type: plain_text_input"),
    (actions({"type": "datepicker", "initial_date": "soon"}), "must be a date"),
    (field(type="static_select", options=options(101)), "no more than 100 items"),
    (field(type="static_select"), "exactly one of: options, option_groups"),
    (
        field(type="static_select", options=options(1), initial_option=options(2)[1]),
        "must match one of the options",
    ),
    (field(type="static_select", options=[{"text": plain(76), "value": "x"}]), "less than 76"),
    (
        field(type="static_select", options=[{"text": plain(), "value": "x" * 151}]),
        "less than 151",
    ),
    (field(type="radio_buttons", options=options(11)), "no more than 10 items"),
    (field(type="plain_text_input", max_length=3001), "between 1 and 3000"),
    (field(type="plain_text_input", min_length=5, max_length=4), "no more than max_length"),
    (field(type="plain_text_input", placeholder=plain(151)), "less than 151"),
    (field(type="number_input"), "required field: is_decimal_allowed"),
    (field(type="button", text=plain()), "unsupported type: button"),
    ({**field(type="url_text_input"), "label": plain(2001)}, "less than 2001"),
    ({**field(type="url_text_input"), "hint": plain(2001)}, "less than 2001"),
    (rich({"type": "text", "text": ""}), "must be more than 0 characters"),
    (rich({"type": "text", "text": "x", "style": {"blink": True}}), "property: blink"),
    (rich({"type": "broadcast", "range": "all"}), "valid enum value"),
    (rich({"type": "mrkdwn", "text": "x"}), "unsupported type: mrkdwn"),
]


@pytest.mark.parametrize("block", TAKEN, ids=lambda block: str(block["type"]))
def test_a_block_within_the_limits_is_taken(block: Json) -> None:
    assert message_problems([block]) == []


@pytest.mark.parametrize(("block", "said"), REFUSED)
def test_a_block_beyond_a_limit_is_refused(block: Json, said: str) -> None:
    assert any(said in problem for problem in message_problems([block])), message_problems([block])


def test_a_message_has_fifty_blocks_and_a_view_a_hundred() -> None:
    divider = {"type": "divider"}
    assert message_problems([divider] * 50) == []
    assert "no more than 50 items" in message_problems([divider] * 51)[0]
    assert view_problems({"type": "home", "blocks": [divider] * 100}) == []
    assert "no more than 100 items" in view_problems({"type": "home", "blocks": [divider] * 101})[0]


def test_block_ids_are_unique() -> None:
    twice = [{"type": "divider", "block_id": "b"}] * 2
    assert message_problems(twice) == [
        "[ERROR] block_id is not unique: b [json-pointer:/blocks/1/block_id]"
    ]


def modal(**more: Any) -> Json:
    return {"type": "modal", "title": plain(), "blocks": [], **more}


VIEWS_REFUSED: list[tuple[Json, str]] = [
    (modal(title=plain(25)), "less than 25 characters [json-pointer:/view/title/text]"),
    (modal(submit=plain(25)), "less than 25"),
    (modal(close=plain(25)), "less than 25"),
    (modal(title=mrkdwn()), "unsupported type: mrkdwn"),
    (modal(private_metadata="x" * 3001), "less than 3001"),
    (modal(callback_id="x" * 256), "less than 256"),
    (modal(external_id="x" * 256), "less than 256"),
    (modal(submit_disabled=True), "additional property: submit_disabled"),
    (modal(blocks=[field(type="url_text_input")]), "required field: submit"),
    ({"type": "modal", "blocks": []}, "required field: title [json-pointer:/view]"),
    ({"type": "modal", "title": plain()}, "required field: blocks"),
    ({"type": "home", "title": plain(), "blocks": []}, "additional property: title"),
    ({"type": "tab", "blocks": []}, "unsupported type: tab"),
    (
        modal(
            submit=plain(),
            blocks=[
                field(type="url_text_input", focus_on_load=True),
                field(type="email_text_input", focus_on_load=True),
            ],
        ),
        "only one element may have focus_on_load",
    ),
]


@pytest.mark.parametrize(("view", "said"), VIEWS_REFUSED)
def test_a_view_beyond_a_limit_is_refused(view: Json, said: str) -> None:
    assert any(said in problem for problem in view_problems(view)), view_problems(view)


KEYS = ["type", "text", "elements", "element", "options", "block_id", "action_id", "accessory"]
KEYS += ["initial_option", "initial_options", "blocks", "min_length"]
KEYS += ["title", "chart", "series", "axis_config", "caption", "rows"]
KINDS = ["section", "actions", "input", "static_select", "modal"]
KINDS += ["data_visualization", "bar", "data_table", "raw_number"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS), inner | st.sampled_from(KINDS), max_size=5)
    ),
    max_leaves=12,
)


@given(ANY_JSON)
def test_nonsense_is_refused_and_never_breaks_it(nonsense: Any) -> None:
    message_problems(nonsense)
    message_problems([nonsense])
    view_problems(nonsense)
