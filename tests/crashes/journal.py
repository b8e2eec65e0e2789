"""What the people and the world outside did, by the true time: what the checker goes by."""

import re
from dataclasses import dataclass, field

from .faults import true_now

ID = re.compile(r"R-\d+")


@dataclass
class Act:
    """Something that one person did once, however often it was delivered."""

    who: str
    what: str  # file, restore_filed, approve, retract, veto, withdraw, restore
    about: str  # the handle of a new request; else the request
    sent: int = 0  # true ms, of its first delivery
    deliveries: int = 0
    counts: bool = True  # not, where it only opens a form
    status: int = 0  # of the last; 0: no answer
    answered: int | None = None
    said: str = ""  # the words of the answer, where there are any
    accepted: str | None = None  # the request that the answer says it was done to

    def __str__(self) -> str:
        return (
            f"{self.sent} {self.who} {self.what} {self.about}: {self.deliveries} deliveries,"
            f" {self.status} {self.accepted or self.said[:80]!r} at {self.answered}"
        )


@dataclass
class Journal:
    acts: list[Act] = field(default_factory=list)
    out: dict[str, list[tuple[int, int | None]]] = field(default_factory=dict)
    """When (true ms) somebody was not in their group; None: still."""
    handles: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Of an account, from when on (true ms) it had which handle."""
    followers: dict[str, int] = field(default_factory=dict)
    """Of an account, when it was filed on."""
    nemesis: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.nemesis.append(f"{true_now()} {what}")

    def leaves(self, person: str) -> None:
        self.out.setdefault(person, []).append((true_now(), None))

    def returns(self, person: str) -> None:
        since, _ = self.out[person][-1]
        self.out[person][-1] = (since, true_now())

    def was_out(self, person: str, since: int, until: int) -> bool:
        """Whether somebody was in no group at any instant between (true ms)."""
        return any(
            left <= since and (back is None or back > until)
            for left, back in self.out.get(person, [])
        )
