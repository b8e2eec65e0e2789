"""Plug-ins: our own modules by their names, and others' by an entry point."""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any


def creator(package: str, built_in: Sequence[str], what: str, name: str) -> Callable[..., Any]:
    """The `create` of a `what` called `name`: of a module in `package`, or of an entry point in the
    group `nolone.WHATs`. Raises LookupError, naming those there are."""
    if name in built_in:
        ours: Callable[..., Any] = import_module(f"{package}.{name}").create
        return ours
    others = {point.name: point for point in entry_points(group=f"nolone.{what}s")}
    if name not in others:
        known = ", ".join(sorted({*built_in, *others}))
        raise LookupError(f"There is no {what} {name!r}. Known are: {known}.")
    made: Callable[..., Any] = others[name].load()
    return made
