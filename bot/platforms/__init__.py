"""Platforms, each one module with `Settings` and `create(clock) -> Platform`.

The built-in ones go by name; others register `create` as an entry point in `nolone.platforms`.
"""

from importlib import import_module
from importlib.metadata import entry_points

from bot.ports import Clock, Platform

BUILT_IN = ("demo", "synapse")
GROUP = "nolone.platforms"


def resolve(name: str, clock: Clock) -> Platform:
    """The platform called `name`, made from the environment. LookupError names those there are.

    Settings that are missing or wrong come out as pydantic's ValidationError.
    """
    if name in BUILT_IN:
        create = import_module(f"{__name__}.{name}").create
    else:
        others = {point.name: point for point in entry_points(group=GROUP)}
        if name not in others:
            known = ", ".join(sorted({*BUILT_IN, *others}))
            raise LookupError(f"There is no platform {name!r}. Known are: {known}.")
        create = others[name].load()
    platform: Platform = create(clock)
    return platform
