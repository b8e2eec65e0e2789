"""Small checks that compose into a description of a JSON document, with Slack's wording of errors.

Slack says what is wrong with a block as `[ERROR] … [json-pointer:/blocks/0/text]`. A check looks at
one value and reports what it finds; `blocks.py` is a table of such checks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite

Check = Callable[[object, str, "Problems"], None]


@dataclass
class Problems:
    """What was found wrong, each with a pointer to the place."""

    messages: list[str] = field(default_factory=list)

    def add(self, what: str, at: str) -> None:
        self.messages.append(f"[ERROR] {what} [json-pointer:{at}]")


def string(high: int, low: int = 1) -> Check:
    def check(value: object, at: str, problems: Problems) -> None:
        if not isinstance(value, str):
            problems.add("must be a string", at)
        elif len(value) < low:
            problems.add(f"must be more than {low - 1} characters", at)
        elif len(value) > high:
            problems.add(f"must be less than {high + 1} characters", at)

    return check


def boolean(value: object, at: str, problems: Problems) -> None:
    if not isinstance(value, bool):
        problems.add("must be a boolean", at)


def integer(low: int, high: int) -> Check:
    def check(value: object, at: str, problems: Problems) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            problems.add("must be an integer", at)
        elif not low <= value <= high:
            problems.add(f"must be between {low} and {high}", at)

    return check


def number(above: float | None = None) -> Check:
    """Any number that JSON has; NaN and infinity it has not."""

    def check(value: object, at: str, problems: Problems) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
            problems.add("must be a number", at)
        elif above is not None and value <= above:
            problems.add(f"must be more than {above:g}", at)

    return check


def literal(*allowed: str) -> Check:
    def check(value: object, at: str, problems: Problems) -> None:
        if value not in allowed:
            problems.add(f"must be a valid enum value: {', '.join(allowed)}", at)

    return check


def listing(item: Check, low: int, high: int) -> Check:
    def check(value: object, at: str, problems: Problems) -> None:
        if not isinstance(value, list):
            problems.add("must be an array", at)
            return
        if len(value) < low:
            problems.add(f"no fewer than {low} items allowed", at)
        if len(value) > high:
            problems.add(f"no more than {high} items allowed", at)
        for index, one in enumerate(value):
            item(one, f"{at}/{index}", problems)

    return check


def obj(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with exactly these keys; a key that is not in the tables is an error."""
    known = {**required, **(optional or {})}

    def check(value: object, at: str, problems: Problems) -> None:
        if not isinstance(value, dict):
            problems.add("must be an object", at)
            return
        for key in required:
            if key not in value:
                problems.add(f"missing required field: {key}", at)
        for key, one in value.items():
            if key in known:
                known[key](one, f"{at}/{key}", problems)
            else:
                problems.add(f"invalid additional property: {key}", at)

    return check


def by_type(table: Mapping[str, Check]) -> Check:
    """An object whose `type` says which of the checks holds for it."""

    def check(value: object, at: str, problems: Problems) -> None:
        if not isinstance(value, dict):
            problems.add("must be an object", at)
            return
        kind = value.get("type")
        if not isinstance(kind, str):
            problems.add("missing required field: type", at)
        elif kind not in table:
            problems.add(f"unsupported type: {kind}", f"{at}/type")
        else:
            table[kind](value, at, problems)

    return check


def both(*checks: Check) -> Check:
    def check(value: object, at: str, problems: Problems) -> None:
        for one in checks:
            one(value, at, problems)

    return check
