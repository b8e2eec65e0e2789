"""What a button carries: `R-n.round.digest8`, and nothing that anybody could rest a decision on."""

import re
from typing import NamedTuple

from bot.core.request import Request

_FORM = re.compile(r"(R-[1-9][0-9]{0,9})\.([1-9][0-9]{0,4})\.([0-9a-f]{8})")
_NAME = re.compile(r"[Rr]-?([1-9][0-9]{0,9})")


class Ref(NamedTuple):
    """A request as it stood on a card: its round and the first eight characters of its digest."""

    request: str
    round: int
    digest8: str

    def __str__(self) -> str:
        return f"{self.request}.{self.round}.{self.digest8}"


def ref(request: Request) -> Ref:
    return Ref(request.id, request.round, request.digest[:8])


def parse(value: object) -> Ref | None:
    """The Ref in a button's value; None for anything else, which somebody made up."""
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else Ref(found[1], int(found[2]), found[3])


def request_id(word: str) -> str | None:
    """`R-7` from what a person may have typed for it: R-7, r7, r-7; None for anything else."""
    found = _NAME.fullmatch(word.strip())
    return None if found is None else f"R-{found[1]}"
