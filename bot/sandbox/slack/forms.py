"""The client's half of a form: what its fields hold, and what it refuses to send."""

from collections.abc import Iterator
from typing import Any

from bot.sandbox.slack.blocks import elements_of, options_of

Json = dict[str, Any]
State = dict[str, dict[str, Json]]

REQUIRED = "Please complete this required field."

_TYPED = ("plain_text_input", "url_text_input", "email_text_input", "number_input")
_ONE_OF = ("static_select", "radio_buttons")
_SOME_OF = ("multi_static_select", "checkboxes")


class NoSuchField(LookupError):
    """The form does not show such a field, or the field no such option."""


def fields(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every element that keeps a value, with its block."""
    for block in blocks:
        for element in elements_of(block):
            if element["type"] not in ("button", "overflow"):
                yield block, element


def initial_state(blocks: list[Json], before: State | None = None) -> State:
    """What the fields hold at first; what a person had typed stays where both ids are the same."""
    state: State = {}
    for block, element in fields(blocks):
        block_id, action_id = block["block_id"], element["action_id"]
        kept = (before or {}).get(block_id, {}).get(action_id)
        if kept is None or kept["type"] != element["type"]:
            kept = _initial(element)
        state.setdefault(block_id, {})[action_id] = kept
    return state


def _initial(element: Json) -> Json:
    kind = element["type"]
    if kind in _TYPED:
        return {"type": kind, "value": element.get("initial_value")}
    if kind in _ONE_OF:
        return {"type": kind, "selected_option": element.get("initial_option")}
    if kind in _SOME_OF:
        return {"type": kind, "selected_options": element.get("initial_options", [])}
    return {"type": kind, "selected_date": element.get("initial_date")}


def entered(element: Json, value: str | list[str] | None) -> Json:
    """The state of a field after a person typed or chose `value`."""
    kind = element["type"]
    if kind in _ONE_OF:
        assert not isinstance(value, list)
        chosen = None if value is None else option(element, value)
        return {"type": kind, "selected_option": chosen}
    if kind in _SOME_OF:
        values = [value] if isinstance(value, str) else value or []
        return {"type": kind, "selected_options": [option(element, one) for one in values]}
    if kind == "datepicker":
        return {"type": kind, "selected_date": value}
    return {"type": kind, "value": value or None}


def option(element: Json, value: str) -> Json:
    """The option with this value."""
    for one in options_of(element):
        if one.get("value") == value:
            return one
    offered = ", ".join(str(one.get("value")) for one in options_of(element))
    raise NoSuchField(f"{element['action_id']} offers no {value!r}, only: {offered}")


def complaints(blocks: list[Json], state: State) -> dict[str, str]:
    """What the client says under a field instead of sending the form, by block."""
    found: dict[str, str] = {}
    for block, element in fields(blocks):
        if block["type"] != "input":
            continue
        held = state[block["block_id"]][element["action_id"]]
        value = next(held[key] for key in held if key != "type")
        said = _complaint(block, element, value)
        if said is not None:
            found[block["block_id"]] = said
    return found


def _complaint(block: Json, element: Json, value: Any) -> str | None:
    if not value or (isinstance(value, str) and not value.strip()):
        return None if block.get("optional") else REQUIRED
    if element["type"] not in _TYPED:
        return None
    low, high = element.get("min_length", 0), element.get("max_length", 3000)
    if len(value) < low:
        return f"Please enter at least {low} characters."
    if len(value) > high:
        return f"Please enter no more than {high} characters."
    if element["type"] == "url_text_input" and "://" not in value:
        return "Please enter a valid URL."
    if element["type"] == "email_text_input" and "@" not in value:
        return "Please enter a valid email address."
    if element["type"] == "number_input" and not _is_number(value, element):
        return "Please enter a valid number."
    return None


def _is_number(value: str, element: Json) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    whole = bool(element["is_decimal_allowed"]) or number.is_integer()
    low = float(element.get("min_value", number))
    high = float(element.get("max_value", number))
    return whole and low <= number <= high
