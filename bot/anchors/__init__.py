"""Anchors, each one module with `Settings` and `create(clock) -> Anchor`.

The built-in ones go by name; others register `create` as an entry point in `nolone.anchors`. The
channel that the policy names is one too, and needs no name: `bot.anchors.channel`.
"""

from importlib import import_module
from importlib.metadata import entry_points

from bot.ports import Anchor, Clock

BUILT_IN = ("directory", "witness")
GROUP = "nolone.anchors"


def resolve(name: str, clock: Clock) -> Anchor:
    """The anchor called `name`, made from the environment. LookupError names those there are.

    Settings that are missing or wrong come out as pydantic's ValidationError.
    """
    if name in BUILT_IN:
        create = import_module(f"{__name__}.{name}").create
    else:
        others = {point.name: point for point in entry_points(group=GROUP)}
        if name not in others:
            known = ", ".join(sorted({*BUILT_IN, *others}))
            raise LookupError(f"There is no anchor {name!r}. Known are: {known}.")
        create = others[name].load()
    anchor: Anchor = create(clock)
    return anchor
