"""Block Kit as Slack checks it: what a message or a view may hold, and the limits of each part.

`slack_sdk.models` checks about half of this; the rest is refused by Slack itself, at run time.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

from bot.sandbox.slack import charts
from bot.sandbox.slack.richtext import RICH_TEXT_ELEMENT
from bot.sandbox.slack.schema import (
    Check,
    Problems,
    boolean,
    both,
    by_type,
    integer,
    listing,
    literal,
    obj,
    string,
)

Json = dict[str, Any]

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100

_TYPE = {"type": string(255)}
_STYLE = literal("primary", "danger")


def _plain(high: int) -> Check:
    return by_type({"plain_text": obj({**_TYPE, "text": string(high)}, {"emoji": boolean})})


def _text(high: int) -> Check:
    return by_type(
        {
            "plain_text": obj({**_TYPE, "text": string(high)}, {"emoji": boolean}),
            "mrkdwn": obj({**_TYPE, "text": string(high)}, {"verbatim": boolean}),
        }
    )


_ACTION_ID = {"action_id": string(255)}
_CONFIRM = obj(
    {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30)},
    {"style": _STYLE},
)
_MENU_OPTION = obj({"text": _plain(75), "value": string(150)}, {"description": _plain(75)})
_BOX_OPTION = obj({"text": _text(75), "value": string(150)}, {"description": _text(75)})
_OVERFLOW_OPTION = obj(
    {"text": _plain(75), "value": string(150)}, {"description": _plain(75), "url": string(3000)}
)
_PLACEHOLDER = {"placeholder": _plain(150)}
_FOCUS = {"focus_on_load": boolean}
_DISPATCH = {
    "dispatch_action_config": obj(
        {},
        {"trigger_actions_on": listing(literal("on_enter_pressed", "on_character_entered"), 1, 2)},
    )
}


def _initial_is_an_option(value: object, at: str, problems: Problems) -> None:
    assert isinstance(value, dict)
    options = options_of(value)
    for one in _dicts(value.get("initial_options")) + _dicts([value.get("initial_option")]):
        if one not in options:
            problems.add("initial option must match one of the options exactly", at)
    if bool(value.get("options")) == bool(value.get("option_groups")):
        problems.add("must have exactly one of: options, option_groups", at)


def _menu(*, initial: dict[str, Check]) -> Check:
    groups = obj({"label": _plain(75), "options": listing(_MENU_OPTION, 1, 100)})
    return both(
        obj(
            _TYPE,
            {
                **_ACTION_ID,
                **_PLACEHOLDER,
                **_FOCUS,
                **initial,
                "options": listing(_MENU_OPTION, 1, 100),
                "option_groups": listing(groups, 1, 100),
                "confirm": _CONFIRM,
            },
        ),
        _initial_is_an_option,
    )


def _boxes(*, initial: dict[str, Check]) -> Check:
    return both(
        obj(
            {**_TYPE, "options": listing(_BOX_OPTION, 1, 10)},
            {**_ACTION_ID, **_FOCUS, **initial, "confirm": _CONFIRM},
        ),
        _initial_is_an_option,
    )


def _date(value: object, at: str, problems: Problems) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        problems.add("must be a date of the form YYYY-MM-DD", at)


def _lengths_in_order(value: object, at: str, problems: Problems) -> None:
    assert isinstance(value, dict)
    low, high = value.get("min_length", 0), value.get("max_length", 3000)
    if isinstance(low, int) and isinstance(high, int) and low > high:
        problems.add("min_length must be no more than max_length", at)


_ONE: dict[str, Check] = {"initial_option": _BOX_OPTION}
_MANY: dict[str, Check] = {"initial_options": listing(_BOX_OPTION, 1, 100)}
_BUTTON = obj(
    {**_TYPE, "text": _plain(75)},
    {
        **_ACTION_ID,
        "url": string(3000),
        "value": string(2000),
        "style": _STYLE,
        "confirm": _CONFIRM,
        "accessibility_label": string(75),
    },
)
_IMAGE = obj({**_TYPE, "image_url": string(3000), "alt_text": string(2000)})
_TYPED = {**_ACTION_ID, **_PLACEHOLDER, **_FOCUS, **_DISPATCH}

_MENUS: dict[str, Check] = {
    "static_select": _menu(initial=_ONE),
    "radio_buttons": _boxes(initial=_ONE),
    "checkboxes": _boxes(initial=_MANY),
    "datepicker": obj(
        _TYPE,
        {**_ACTION_ID, **_PLACEHOLDER, **_FOCUS, "initial_date": _date, "confirm": _CONFIRM},
    ),
}
_MULTI = {
    "multi_static_select": _menu(initial={**_MANY, "max_selected_items": integer(1, 100)}),
}
_CLICKS: dict[str, Check] = {
    "button": _BUTTON,
    "overflow": obj(
        {**_TYPE, "options": listing(_OVERFLOW_OPTION, 1, 5)}, {**_ACTION_ID, "confirm": _CONFIRM}
    ),
}
_FIELDS: dict[str, Check] = {
    "plain_text_input": both(
        obj(
            _TYPE,
            {
                **_TYPED,
                "initial_value": string(3000, low=0),
                "multiline": boolean,
                "min_length": integer(0, 3000),
                "max_length": integer(1, 3000),
            },
        ),
        _lengths_in_order,
    ),
    "url_text_input": obj(_TYPE, {**_TYPED, "initial_value": string(3000)}),
    "email_text_input": obj(_TYPE, {**_TYPED, "initial_value": string(3000)}),
    "number_input": obj(
        {**_TYPE, "is_decimal_allowed": boolean},
        {
            **_TYPED,
            "initial_value": string(255),
            "min_value": string(255),
            "max_value": string(255),
        },
    ),
}


def _text_or_fields(value: object, at: str, problems: Problems) -> None:
    assert isinstance(value, dict)
    if "text" not in value and "fields" not in value:
        problems.add("must define either `text` or `fields`", at)


_BLOCK_ID = {"block_id": string(255)}

_BLOCKS: dict[str, Check] = {
    "section": both(
        obj(
            _TYPE,
            {
                **_BLOCK_ID,
                "text": _text(3000),
                "fields": listing(_text(2000), 1, 10),
                "accessory": by_type({**_MENUS, **_MULTI, **_CLICKS, "image": _IMAGE}),
                "expand": boolean,
            },
        ),
        _text_or_fields,
    ),
    "header": obj({**_TYPE, "text": _plain(150)}, _BLOCK_ID),
    "divider": obj(_TYPE, _BLOCK_ID),
    "context": obj(
        {
            **_TYPE,
            "elements": listing(
                by_type({"image": _IMAGE, "plain_text": _text(3000), "mrkdwn": _text(3000)}),
                1,
                10,
            ),
        },
        _BLOCK_ID,
    ),
    "actions": obj(
        {**_TYPE, "elements": listing(by_type({**_MENUS, **_CLICKS}), 1, 25)}, _BLOCK_ID
    ),
    "input": obj(
        {
            **_TYPE,
            "label": _plain(2000),
            "element": by_type({**_MENUS, **_MULTI, **_FIELDS}),
        },
        {**_BLOCK_ID, "hint": _plain(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "image": obj(
        {**_TYPE, "image_url": string(3000), "alt_text": string(2000)},
        {**_BLOCK_ID, "title": _plain(2000)},
    ),
    "rich_text": obj({**_TYPE, "elements": listing(RICH_TEXT_ELEMENT, 1, 10_000)}, _BLOCK_ID),
}
_BLOCK = by_type(_BLOCKS)
_MESSAGE_BLOCK = by_type({**_BLOCKS, **charts.BLOCKS})

_META = {
    "private_metadata": string(3000, low=0),
    "callback_id": string(255, low=0),
    "external_id": string(255, low=0),
}
_VIEW_BLOCKS = {**_TYPE, "blocks": listing(_BLOCK, 0, VIEW_BLOCKS)}
_VIEW = by_type(
    {
        "modal": obj(
            {**_VIEW_BLOCKS, "title": _plain(24)},
            {
                **_META,
                "submit": _plain(24),
                "close": _plain(24),
                "clear_on_close": boolean,
                "notify_on_close": boolean,
            },
        ),
        "home": obj(_VIEW_BLOCKS, _META),
    }
)


def message_problems(blocks: object, *, charts_taken: bool = True) -> list[str]:
    """What Slack would say of these blocks of a message; empty when it takes them."""
    problems = Problems()
    block = _MESSAGE_BLOCK if charts_taken else _BLOCK
    listing(block, 0, MESSAGE_BLOCKS)(blocks, "/blocks", problems)
    _unique_ids(blocks, "/blocks", problems)
    if not problems.messages:
        charts.check_together(_dicts(blocks), "/blocks", problems)
    return problems.messages


def view_problems(view: object) -> list[str]:
    """What Slack would say of this view; empty when it takes it."""
    problems = Problems()
    _VIEW(view, "/view", problems)
    if isinstance(view, dict):
        blocks = view.get("blocks")
        _unique_ids(blocks, "/view/blocks", problems)
        inputs = any(b.get("type") == "input" for b in _dicts(blocks))
        if view.get("type") == "modal" and inputs and "submit" not in view:
            problems.add("missing required field: submit", "/view")
        focused = [e for b in _dicts(blocks) for e in elements_of(b) if e.get("focus_on_load")]
        if len(focused) > 1:
            problems.add("only one element may have focus_on_load", "/view/blocks")
    return problems.messages


def _unique_ids(blocks: object, at: str, problems: Problems) -> None:
    seen: set[str] = set()
    for index, block in enumerate(_dicts(blocks)):
        block_id = block.get("block_id")
        if isinstance(block_id, str):
            if block_id in seen:
                problems.add(f"block_id is not unique: {block_id}", f"{at}/{index}/block_id")
            seen.add(block_id)
        ids = [e.get("action_id") for e in elements_of(block)]
        actions = [one for one in ids if isinstance(one, str)]
        if len(set(actions)) < len(actions):
            problems.add("action_id is not unique in its block", f"{at}/{index}/elements")


def _dicts(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def elements_of(block: Json) -> list[Json]:
    """The interactive elements of one block, in order; pictures and texts are not among them."""
    found = {
        "section": [block.get("accessory")],
        "actions": block.get("elements"),
        "input": [block.get("element")],
    }.get(str(block.get("type")))
    return [one for one in _dicts(found) if one.get("type") != "image"]


def options_of(element: Json) -> list[Json]:
    """Every option that an element offers, grouped or not."""
    grouped = [o for g in _dicts(element.get("option_groups")) for o in _dicts(g.get("options"))]
    return _dicts(element.get("options")) + grouped


def with_ids(blocks: list[Json], fresh: Callable[[], str]) -> list[Json]:
    """A copy in which every block, and everything that can be clicked, has an id, as Slack gives."""
    given = copy.deepcopy(blocks)
    for block in given:
        block.setdefault("block_id", fresh())
        for element in elements_of(block):
            element.setdefault("action_id", fresh())
    return given
