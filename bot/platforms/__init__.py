"""Platforms, each one module with `Settings` and `create(clock) -> Platform`.

The built-in ones go by name; others register `create` as an entry point in `nolone.platforms`.
"""

from bot.plugins import creator
from bot.ports import Clock, Platform

BUILT_IN = ("demo", "synapse")


def resolve(name: str, clock: Clock) -> Platform:
    """The platform called `name`, made from the environment. LookupError names those there are.

    Settings that are missing or wrong come out as pydantic's ValidationError.
    """
    made: Platform = creator(__name__, BUILT_IN, "platform", name)(clock)
    return made
