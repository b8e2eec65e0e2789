"""Lengths of time: written by people in the policy, kept as whole milliseconds."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

LONGEST = 3650 * DAY
REMEDY = "Write it with its unit, such as 90s, 30m, 1h30m, 24h, 2d or PT1H30M"

_SHORT = r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?"
# years and months are left out on purpose: they have no one length
_ISO = r"P(?=[\dT])(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
_UNITS = (DAY, HOUR, MINUTE, SECOND)

# What a validation is given as its context when it reads what a person wrote: a bare number, which
# among machines is milliseconds, could there be meant as seconds or minutes, and is refused.
BY_HAND = "by hand"


def milliseconds(text: str) -> int:
    """The length that `text` says, in ms. ValueError, with the remedy, if it says none."""
    if text.lstrip().startswith("-"):
        raise ValueError(f"the duration {text!r} is negative. {REMEDY}")
    # ten digits are three centuries of seconds; more are not worth reading as a number
    match = re.fullmatch(_SHORT, text, re.ASCII) or re.fullmatch(_ISO, text, re.ASCII)
    if match is None or any(len(digits or "") > 10 for digits in match.groups()):
        raise ValueError(f"{text[:40]!r} is not a duration. {REMEDY}")
    length = sum(
        int(digits or 0) * unit for digits, unit in zip(match.groups(), _UNITS, strict=True)
    )
    if length == 0:
        raise ValueError(f"the duration {text!r} is no time at all. {REMEDY}")
    if length > LONGEST:
        raise ValueError(f"the duration {text!r} is over ten years. Write a shorter one")
    return length


def spelled(length: int) -> str:
    """`length` (ms) for people: "90 s" is "1 min 30 s", two days and more are in days."""
    parts = []
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if unit == DAY and length < 2 * DAY:
            continue  # "24 h" is clearer than "1 d"
        count, length = divmod(length, unit)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts) or "none"


def _read(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        return milliseconds(value)
    if info.context == BY_HAND:
        raise ValueError(f"a duration has a unit, and {value!r} has none. {REMEDY}")
    return value


Duration = Annotated[
    int,
    Field(gt=0, le=LONGEST),
    BeforeValidator(_read),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^(?:{_SHORT}|{_ISO})$",
            "examples": ["90s", "30m", "1h30m", "24h", "2d", "PT1H30M"],
        }
    ),
]
