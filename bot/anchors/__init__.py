"""Anchors, each one module with `Settings` and `create(clock) -> Anchor`.

The built-in ones go by name; others register `create` as an entry point in `nolone.anchors`. The
channel that the policy names is one too, and needs no name: `bot.anchors.channel`.
"""

from bot.plugins import creator
from bot.ports import Anchor, Clock

BUILT_IN = ("directory", "witness")


def resolve(name: str, clock: Clock) -> Anchor:
    """The anchor called `name`, made from the environment. LookupError names those there are.

    Settings that are missing or wrong come out as pydantic's ValidationError.
    """
    made: Anchor = creator(__name__, BUILT_IN, "anchor", name)(clock)
    return made
