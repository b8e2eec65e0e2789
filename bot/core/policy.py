"""The policy: who may do what, and which terms a request gets."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from bot.core.actions import ActionKind
from bot.core.condition import Case, Condition, Name, Text, in_words, judge
from bot.core.duration import Duration, spelled
from bot.core.sealed import canonical
from bot.core.subject import Snapshot, SubjectId
from bot.core.value import Value

USER = r"^[UW][A-Z0-9]{2,20}$"
USERGROUP = r"^S[A-Z0-9]{2,20}$"
CHANNEL = r"^[CG][A-Z0-9]{2,20}$"
WORKSPACE = r"^T[A-Z0-9]{2,20}$"

UserId = Annotated[str, StringConstraints(pattern=USER)]
UsergroupId = Annotated[str, StringConstraints(pattern=USERGROUP)]
ChannelId = Annotated[str, StringConstraints(pattern=CHANNEL)]
WorkspaceId = Annotated[str, StringConstraints(pattern=WORKSPACE)]


class Channels(Value):
    """Where requests are reviewed, and where checkpoints are published."""

    review: ChannelId
    anchors: ChannelId | None = None


class Group(Value):
    """Some people: a fixed list of them, or a live Slack user group."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["users"]}, {"required": ["usergroup"]}]}
    )

    users: Annotated[frozenset[UserId], Field(min_length=1)] | None = None
    usergroup: UsergroupId | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Group":
        if (self.users is None) == (self.usergroup is None):
            raise ValueError(
                "a group is either users or usergroup. Give one of the two,"
                " such as users: [U01ABC] or usergroup: S01ABC"
            )
        return self

    def __str__(self) -> str:
        if self.users is not None:
            return ", ".join(sorted(self.users))
        return f"user group {self.usergroup}"


class People(Value):
    """Who may file, who may query the trail, and who may approve or veto."""

    agents: Group
    managers: Group
    reviewers: Annotated[Mapping[Name, Group], Field(min_length=1)]


class About(Value):
    """What the platform cannot know of a subject."""

    tags: Annotated[frozenset[Name], Field(min_length=1)]


class Quorum(Value):
    """How many distinct people have to approve, and how many of them from which group."""

    approvals: Annotated[int, Field(ge=1, le=50)]
    including: Mapping[Name, Annotated[int, Field(ge=1, le=50)]] = {}

    @model_validator(mode="after")
    def _fits(self) -> "Quorum":
        wanted = sum(self.including.values())
        if wanted > self.approvals:
            raise ValueError(
                f"nobody can satisfy {self.approvals} approvals that include {wanted}, since a"
                f" person counts once. Raise approvals to {wanted} or ask for fewer in including"
            )
        return self

    def __str__(self) -> str:
        parts = [f"{self.approvals} approval{'s' if self.approvals > 1 else ''}"]
        parts += [f"at least {n} from {group}" for group, n in sorted(self.including.items())]
        return ", ".join(parts)


class Tier(Value):
    """The terms for the requests that `when` matches. The last tier has no `when`: it is for the
    rest."""

    name: Name
    when: Condition | None = None
    quorum: Quorum
    cool_off: Annotated[Duration, Field(description="The wait after quorum, open to a veto")]
    open_for: Annotated[Duration, Field(description="The time to reach quorum")]
    run_within: Annotated[Duration, Field(description="The time to run, after the cool-off")]
    strict: Annotated[
        bool | None,
        Field(
            description="No start before somebody outside keeps the quorum's checkpoint. By default"
            " for two approvals or more, where anchors are configured"
        ),
    ] = None

    @property
    def is_top(self) -> bool:
        """Whether it is a top tier: two approvals or more."""
        return self.quorum.approvals >= 2

    def is_strict(self, anchors: bool) -> bool:
        """Whether its requests wait for an anchor; `anchors`: whether there are any."""
        return self.is_top and anchors if self.strict is None else self.strict

    def __str__(self) -> str:
        when = "otherwise" if self.when is None else f"when {in_words(self.when)}"
        anchor = {None: "", True: "; strict", False: "; not strict"}[self.strict]
        return (
            f"{self.name}: {when} → {self.quorum}; cool-off {spelled(self.cool_off)};"
            f" {spelled(self.open_for)} to reach quorum; {spelled(self.run_within)} to run{anchor}"
        )


class Flaw(NamedTuple):
    """Something that parts of a policy, each right by itself, get wrong together."""

    where: tuple[str | int, ...]  # the keys that lead there
    text: str  # what is wrong. The remedy


class Policy(Value):
    """What the policy file says. One that cannot be kept is never made."""

    version: Literal[1]
    workspace: WorkspaceId
    channels: Channels
    people: People
    # by `platform:id`, or by the id alone, which then counts on whichever platform has it
    subjects: Mapping[Text, About] = {}
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _holds_together(self) -> "Policy":
        found = flaws(self.people, self.tiers)
        if found:
            raise ValueError("; ".join(flaw.text for flaw in found))
        return self

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical form: what the policy says, not how its file is written."""
        return hashlib.sha256(canonical(self)).hexdigest()

    @property
    def longest_cool_off(self) -> int:
        """In ms: how long a changed policy waits before it takes effect."""
        return max(tier.cool_off for tier in self.tiers)

    def tags_of(self, subject: SubjectId) -> frozenset[str]:
        """The tags that this policy gives to `subject`."""
        entries = (self.subjects.get(str(subject)), self.subjects.get(subject.id))
        return frozenset().union(*(about.tags for about in entries if about is not None))

    def tier_for(self, action: ActionKind, snapshot: Snapshot, now: int) -> tuple[Tier, str]:
        """The first tier that matches, and why in words. A doubt takes the stricter tier."""
        case = Case(action, snapshot, self.tags_of(snapshot.subject), now)
        *conditional, last = self.tiers
        for tier in conditional:
            assert tier.when is not None  # only the last one has none; see `flaws`
            holds, why = judge(tier.when, case)
            if holds is None:
                return tier, f"matched {tier.name}: {why}, so the stricter tier"
            if holds:
                return tier, f"matched {tier.name}: {why}"
        rest = "no stricter tier applies" if conditional else "the only tier"
        return last, f"matched {last.name}: {rest}"


def flaws(people: People | None, tiers: Sequence[Tier | None]) -> list[Flaw]:
    """What is wrong between the parts. A part that is None could not be read and is passed over."""
    return [
        *_flaws_of_when(tiers),
        *_flaws_of_order([(i, tier) for i, tier in enumerate(tiers) if tier is not None]),
        *(_flaws_of_quorum(people, tiers) if people is not None else ()),
    ]


def _flaws_of_when(tiers: Sequence[Tier | None]) -> Iterator[Flaw]:
    for i, tier in enumerate(tiers):
        if tier is None:
            continue
        last = i == len(tiers) - 1
        if last and tier.when is not None:
            yield Flaw(
                ("tiers", i, "when"),
                f"the last tier, {tier.name}, has a `when`, so some requests would have no tier."
                " Remove it, or add a tier without `when` after it",
            )
        if not last and tier.when is None:
            yield Flaw(
                ("tiers", i),
                f"the tier {tier.name} has no `when`, so the tiers after it never apply."
                " Give it one, or move it to the end",
            )


def _flaws_of_order(tiers: Sequence[tuple[int, Tier]]) -> Iterator[Flaw]:
    seen: set[str] = set()
    for i, tier in tiers:
        if tier.name in seen:
            yield Flaw(
                ("tiers", i, "name"), f"a second tier is called {tier.name}. Rename one of them"
            )
        seen.add(tier.name)
    for (i, tier), (_, after) in pairwise(tiers):
        remedy = "The strictest tier comes first: move it, or make it at least as strict"
        if tier.quorum.approvals < after.quorum.approvals:
            yield Flaw(
                ("tiers", i, "quorum", "approvals"),
                f"the tier {tier.name} asks for fewer approvals ({tier.quorum.approvals}) than"
                f" {after.name} after it ({after.quorum.approvals}). {remedy}",
            )
        if tier.cool_off < after.cool_off:
            yield Flaw(
                ("tiers", i, "cool_off"),
                f"the tier {tier.name} has a shorter cool-off ({spelled(tier.cool_off)}) than"
                f" {after.name} after it ({spelled(after.cool_off)}). {remedy}",
            )
        if after.is_strict(True) and not tier.is_strict(True):
            yield Flaw(
                ("tiers", i, "strict"),
                f"the tier {tier.name} is not strict, and {after.name} after it is. {remedy}",
            )


def _flaws_of_quorum(people: People, tiers: Sequence[Tier | None]) -> Iterator[Flaw]:
    """Tiers that nobody can satisfy. How many are in a user group is not known here."""
    listed = {name: group.users for name, group in people.reviewers.items()}
    everyone = frozenset().union(*(users for users in listed.values() if users is not None))
    for i, tier in enumerate(tiers):
        if tier is None:
            continue
        including = tier.quorum.including
        unknown = sorted(including.keys() - listed.keys())
        for group in unknown:
            yield Flaw(
                ("tiers", i, "quorum", "including", group),
                f"there is no group of reviewers called {group}."
                f" Use one of {', '.join(sorted(listed))}, or add it to people.reviewers",
            )
        if unknown:
            continue
        slots = [listed[group] for group, n in sorted(including.items()) for _ in range(n)]
        if not _seated([users for users in slots if users is not None]):
            yield Flaw(
                ("tiers", i, "quorum", "including"),
                f"nobody can satisfy the tier {tier.name}: too few distinct people are in the"
                f" groups that it asks for ({', '.join(sorted(including))})."
                " Add people to them or ask for fewer",
            )
        if None not in listed.values() and len(everyone) < tier.quorum.approvals:
            yield Flaw(
                ("tiers", i, "quorum", "approvals"),
                f"nobody can satisfy the tier {tier.name}: it asks for {tier.quorum.approvals}"
                f" approvals and there are {len(everyone)} reviewers. Add reviewers or ask for fewer",
            )


def _seated(slots: Sequence[frozenset[str]]) -> bool:
    """Whether each slot can be filled by a different one of its people (a matching)."""
    holder: dict[str, int] = {}  # person -> slot

    def seat(slot: int, tried: set[str]) -> bool:
        for person in slots[slot] - tried:
            tried.add(person)
            if person not in holder or seat(holder[person], tried):
                holder[person] = slot
                return True
        return False

    return all(seat(slot, set()) for slot in range(len(slots)))


def changes(old: Policy, new: Policy) -> tuple[str, ...]:
    """What differs, a sentence each; none if and only if the two have the same digest."""
    return (
        *_changed("Workspace", old.workspace, new.workspace),
        *_changed("Review channel", old.channels.review, new.channels.review),
        *_changed("Anchors channel", old.channels.anchors, new.channels.anchors),
        *_changed_people(old.people, new.people),
        *_changed_subjects(old.subjects, new.subjects),
        *_changed_tiers(old.tiers, new.tiers),
    )


def _changed(what: str, old: object, new: object) -> Iterator[str]:
    if old != new:
        yield f"{what}: {old or 'none'} → {new or 'none'}."


def _changed_people(old: People, new: People) -> Iterator[str]:
    yield from _changed_group("Agents", old.agents, new.agents)
    yield from _changed_group("Managers", old.managers, new.managers)
    for name in sorted(old.reviewers.keys() | new.reviewers.keys()):
        before, after = old.reviewers.get(name), new.reviewers.get(name)
        if before is None:
            yield f"Reviewers {name}: new group, {after}."
        elif after is None:
            yield f"Reviewers {name}: group removed; it was {before}."
        else:
            yield from _changed_group(f"Reviewers {name}", before, after)


def _changed_group(what: str, old: Group, new: Group) -> Iterator[str]:
    if old.users is None or new.users is None:
        yield from _changed(what, str(old), str(new))
    else:
        yield from _changed_set(what, old.users, new.users)


def _changed_set(what: str, old: frozenset[str], new: frozenset[str]) -> Iterator[str]:
    if new - old:
        yield f"{what}: added {', '.join(sorted(new - old))}."
    if old - new:
        yield f"{what}: removed {', '.join(sorted(old - new))}."


def _changed_subjects(old: Mapping[str, About], new: Mapping[str, About]) -> Iterator[str]:
    none: frozenset[str] = frozenset()
    for key in sorted(old.keys() | new.keys()):
        yield from _changed_set(
            f"Tags of {key}",
            old[key].tags if key in old else none,
            new[key].tags if key in new else none,
        )


def _changed_tiers(old: Sequence[Tier], new: Sequence[Tier]) -> Iterator[str]:
    before, after = {t.name: t for t in old}, {t.name: t for t in new}
    for name, tier in before.items():
        if name not in after:
            yield f"Tier removed: {tier}."
    for name, tier in after.items():
        if name not in before:
            yield f"Tier added: {tier}."
        else:
            yield from _changed_tier(before[name], tier)
    kept, kept_now = [n for n in before if n in after], [n for n in after if n in before]
    yield from _changed("Order of the tiers", ", ".join(kept), ", ".join(kept_now))


def _changed_tier(old: Tier, new: Tier) -> Iterator[str]:
    what = f"Tier {new.name}"
    if old.when != new.when:
        clauses = [in_words(t.when) if t.when else "no stricter tier applies" for t in (old, new)]
        yield f"{what}: applied when {clauses[0]}; now applies when {clauses[1]}."
    a, b = old.quorum, new.quorum
    yield from _moved(f"{what}: approvals", a.approvals, b.approvals)
    for group in sorted(a.including.keys() | b.including.keys()):
        yield from _moved(
            f"{what}: approvals from {group}", a.including.get(group, 0), b.including.get(group, 0)
        )
    yield from _changed(f"{what}: strict", _strictness(old), _strictness(new))
    yield from _moved_length(f"{what}: cool-off", old.cool_off, new.cool_off, longer="tightened")
    yield from _moved_length(
        f"{what}: time to reach quorum", old.open_for, new.open_for, longer="loosened"
    )
    yield from _moved_length(
        f"{what}: time to run", old.run_within, new.run_within, longer="loosened"
    )


def _strictness(tier: Tier) -> str:
    return {None: "by default", True: "yes", False: "no"}[tier.strict]


def _moved(what: str, old: int, new: int) -> Iterator[str]:
    if old != new:
        yield f"{what} {'tightened' if new > old else 'loosened'}, {old} → {new}."


def _moved_length(
    what: str, old: int, new: int, *, longer: Literal["tightened", "loosened"]
) -> Iterator[str]:
    if old != new:
        shorter = "loosened" if longer == "tightened" else "tightened"
        way = longer if new > old else shorter
        yield f"{what} {way}, {spelled(old)} → {spelled(new)}."
