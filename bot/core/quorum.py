"""Who counts, and what is missing: a matching of distinct people to the places the terms ask for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.core.events import Identity
from bot.core.facts import Facts
from bot.core.request import Approval, Request

ANYBODY = ""  # a place that any reviewers' group fills


@dataclass(frozen=True, slots=True)
class Ignored:
    """An approval that does not count, and why."""

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Count:
    counted: tuple[str, ...]  # who fills a place, in the order of their approvals
    ignored: tuple[Ignored, ...]
    missing: tuple[str, ...]  # what is not filled: a group's name, or ANYBODY
    unread: bool = False  # some are ignored only because Slack could not be read

    @property
    def reached(self) -> bool:
        return not self.missing


def one_person(accounts: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """For each account the first account that is the same person.

    Two accounts that share an identity key are one, and so are those linked by a third.
    """
    first: dict[str, str] = {}
    keys_of: dict[str, frozenset[str]] = {}  # of each first account, with those merged into it
    for account, keys in accounts.items():
        linked = [head for head, known in keys_of.items() if known & keys]
        head = linked[0] if linked else account
        first[account] = head
        first = {a: head if h in linked else h for a, h in first.items()}
        merged = keys.union(*(keys_of[h] for h in linked))
        keys_of = {h: known for h, known in keys_of.items() if h not in linked[1:]}
        keys_of[head] = merged
    return first


def persons(request: Request, facts: Facts, more: Iterable[str] = ()) -> dict[str, str]:
    """The requester, the approvers and `more` accounts, each with the first that is the same.

    Keys seen at the time of acting count as well as today's: changing an address splits nobody.
    """
    accounts: dict[str, frozenset[str]] = {}

    def add(account: str, kept: Identity | None) -> None:
        seen = frozenset() if kept is None else kept.keys  # None: erased
        accounts[account] = (
            accounts.get(account, frozenset()) | seen | facts.person(account).identity
        )

    add(request.requester, request.identity.value)
    for a in request.approvals:
        add(a.by, a.identity.value)
    for s in request.settlements:
        add(s.by, s.identity.value)
    for account in more:
        add(account, None)
    return one_person(accounts)


def _held(approval: Approval, request: Request) -> frozenset[str]:
    return request.could_review(approval.by) & frozenset(approval.groups)


def _unread(approval: Approval, request: Request, facts: Facts) -> bool:
    held = _held(approval, request)
    groups = [facts.groups[g] for g in held if g in facts.groups]
    return facts.person(approval.by).unread or any(not m.fresh for m in groups)


def _objection(approval: Approval, request: Request, facts: Facts) -> str | None:
    person = facts.person(approval.by)
    held = _held(approval, request)
    if approval.digest != request.digest:
        return "given for other facts"
    if person.unread:
        return "Slack cannot be asked who they are"
    if person.team != facts.policy.workspace:
        return "in another organisation"
    if person.flaw is not None:
        return person.flaw
    if held & facts.groups_of(approval.by):
        return None
    unread = sorted(g for g in held if g in facts.groups and not facts.groups[g].fresh)
    if unread:
        return f"the members of {' and '.join(unread)} could not be read"
    return f"no longer in {' or '.join(sorted(held)) or 'a reviewers’ group'}"


def count(request: Request, facts: Facts) -> Count:
    """Which approvals count now, and what the terms still ask for."""
    same = persons(request, facts)
    ignored: list[Ignored] = []
    able: dict[str, frozenset[str]] = {}  # approver -> groups in which they count
    seen: set[str] = set()
    unread = False
    for a in request.approvals:
        why = _objection(a, request, facts)
        if why is None and same[a.by] == same[request.requester]:
            why = "the same person as the requester"
        if why is None and same[a.by] in seen:
            why = "the same person as somebody who already counts"
        if why is not None:
            unread = unread or _unread(a, request, facts)
            ignored.append(Ignored(a.by, why))
            continue
        seen.add(same[a.by])
        able[a.by] = _held(a, request) & facts.groups_of(a.by)
    named = [group for group, n in request.pinned.including for _ in range(n)]
    places = named + [ANYBODY] * (request.pinned.approvals - len(named))
    filled = assign(places, able)
    return Count(
        counted=tuple(p for p in able if p in filled.values()),
        ignored=tuple(ignored),
        missing=tuple(place for i, place in enumerate(places) if i not in filled),
        unread=unread,
    )


def assign(places: Sequence[str], able: Mapping[str, frozenset[str]]) -> dict[int, str]:
    """A largest assignment of distinct people to places, as place's index -> person.

    Kuhn's augmenting paths: H. W. Kuhn, "The Hungarian method for the assignment problem", 1955.
    """
    filled: dict[int, str] = {}

    def fits(person: str, place: str) -> bool:
        return place == ANYBODY or place in able[person]

    def seat(person: str, tried: set[int]) -> bool:
        for i, place in enumerate(places):
            if i in tried or not fits(person, place):
                continue
            tried.add(i)
            if i not in filled or seat(filled[i], tried):
                filled[i] = person
                return True
        return False

    for person in able:
        seat(person, set())
    return filled
