"""What `decide` needs from outside, gathered beforehand: the only way the world reaches the core."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.core.actions import Capability
from bot.core.events import Exported
from bot.core.policy import Policy
from bot.core.subject import Snapshot


@dataclass(frozen=True, slots=True)
class Person:
    """A Slack user as Slack describes them now."""

    id: str
    team: str = ""
    flaw: str | None = None  # why they may not act at all: deleted, guest, bot
    identity: frozenset[str] = frozenset()  # keys under which two accounts are one person
    unread: bool = False  # Slack did not say: only the id is known


@dataclass(frozen=True, slots=True)
class Membership:
    """Who is in a group. Not `fresh`: Slack could not be read, and these are the last known."""

    members: frozenset[str] = frozenset()
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Missing:
    """The platform has no such account."""


@dataclass(frozen=True, slots=True)
class Unread:
    """It was not asked, or could not be."""

    why: str


@dataclass(frozen=True, slots=True)
class Posted:
    """What of a request's present round is in Slack."""

    card: bool = False
    notice: bool = False  # that quorum was reached
    anchored: bool = False  # an anchor keeps a checkpoint over the quorum


@dataclass(frozen=True, slots=True)
class Facts:
    origin: str  # the ledger's name
    policy: Policy  # in force
    seed: str = "00" * 32  # hex, random, used once: the source of salts
    next_id: str = ""  # the id that a new request gets
    pinned: Policy | None = None  # the policy under which the request was filed; None: `policy`
    people: Mapping[str, Person] = field(default_factory=dict)
    agents: Membership = Membership()
    managers: Membership = Membership()
    groups: Mapping[str, Membership] = field(default_factory=dict)  # the reviewers', by name
    subject: Snapshot | Missing | Unread = Unread("not looked up")
    capability: Capability | None = None  # of the platform, for the action
    holder: str | None = None  # the request that holds the subject
    newer: str | None = None  # a later request that changed the same subject
    undone_by: str | None = None  # the executed restore of this request
    undone_at: int | None = None  # when that took effect (ms)
    sent_until: int | None = None  # until when (ms) what this restore undoes may still be sent
    undoes: str | None = None  # the request whose effect a new restore would undo
    restores_today: int = 0  # one-click restores by the actor in the last 24 h
    posted: Posted = Posted()
    anchors: bool = False  # whether any are configured
    anchored: int = 0  # how many entries are under a checkpoint that an anchor keeps
    anchor_trouble: str | None = None  # why one of them keeps nothing new; None: nothing is wrong
    channel: str | None = None  # what is wrong with the review channel; None: nothing
    waiting: str | None = None  # why the last Start had to wait
    ever_filed: bool = True  # whether any request was ever filed
    exported: Exported | None = None  # the export that an Unmask names; None: there is none

    def person(self, id: str) -> Person:
        return self.people.get(id) or Person(id, unread=True)

    def groups_of(self, person: str) -> frozenset[str]:
        """The reviewers' groups that `person` is certainly in now."""
        return frozenset(name for name, m in self.groups.items() if m.fresh and person in m.members)

    def last_groups_of(self, person: str) -> frozenset[str]:
        """The same by the last membership that could be read."""
        return frozenset(name for name, m in self.groups.items() if person in m.members)
