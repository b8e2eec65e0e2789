"""What is looked at again before an action is started. One check is one function."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.core.actions import ACTIONS
from bot.core.facts import Facts, Missing, Unread
from bot.core.quorum import ANYBODY, count
from bot.core.request import Phase, Request
from bot.core.rules import protection
from bot.core.terms import terms_for


@dataclass(frozen=True, slots=True)
class Lapse:
    """It cannot be done any more."""

    why: str


@dataclass(frozen=True, slots=True)
class Defer:
    """A fact cannot be read, so nothing follows from it: neither a start nor a new round."""

    why: str


@dataclass(frozen=True, slots=True)
class Reopen:
    """It has to be approved anew, for what is so now."""

    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: it is looked at again, until it expires."""

    why: str


Finding = Lapse | Defer | Reopen | Wait
Check = Callable[[Request, Facts, int], Finding | None]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    CHECKS.append(function)
    return function


def restrictive(request: Request) -> bool:
    return ACTIONS[request.action].restrictive


def findings(request: Request, facts: Facts, now: int) -> list[Finding]:
    """Everything that stands against starting `request` now, the gravest first."""
    found = [f for look in CHECKS if (f := look(request, facts, now)) is not None]
    order: list[type[Finding]] = [Lapse, Defer, Reopen, Wait]
    return sorted(found, key=lambda f: order.index(type(f)))


@check
def requester_is_still_entitled(request: Request, facts: Facts, now: int) -> Finding | None:
    person = facts.person(request.requester)
    if person.unread:
        return Defer("Slack cannot be asked whether the requester is still here")
    if person.team != facts.policy.workspace or person.flaw is not None:
        return Lapse("the requester is no longer a full member of this workspace")
    if facts.agents.fresh and person.id in facts.agents.members:
        return None
    lists = [facts.agents]
    if not restrictive(request):  # giving access back is a reviewer's to ask for as well
        if facts.last_groups_of(person.id):
            return None
        lists += facts.groups.values()
    if not all(m.fresh for m in lists):
        return Defer("it could not be read from Slack whether the requester is still entitled")
    return Lapse("the requester is no longer entitled to ask for this")


@check
def subject_is_there(request: Request, facts: Facts, now: int) -> Finding | None:
    match facts.subject:
        case Missing():
            return Lapse("the account is no longer there")
        case Unread(why=why):
            return Defer(f"the platform could not be asked about the account: {why}")
    return None


@check
def subject_is_not_protected(request: Request, facts: Facts, now: int) -> Finding | None:
    if restrictive(request) and (why := protection(facts)) is not None:
        return Lapse(why)
    return None


@check
def handle_is_the_same(request: Request, facts: Facts, now: int) -> Finding | None:
    if isinstance(facts.subject, Missing | Unread) or not restrictive(request):
        return None
    was = request.known.open.handle
    if facts.subject.handle == was:
        return None
    return Reopen(f"the account's handle is now {facts.subject.handle}; it was {was}")


@check
def terms_are_no_stricter(request: Request, facts: Facts, now: int) -> Finding | None:
    if isinstance(facts.subject, Missing | Unread) or not restrictive(request):
        return None
    policy = facts.pinned or facts.policy
    terms = terms_for(policy, request.action, facts.subject, now, facts.anchors)
    if not terms.is_stricter_than(request.pinned):
        return None
    return Reopen(f"the account now falls under the tier {terms.tier}: {terms.why}")


@check
def groups_can_be_read(request: Request, facts: Facts, now: int) -> Finding | None:
    if request.phase(now) is Phase.OPEN or count(request, facts).reached:
        return None
    if any(facts.person(a.by).unread for a in request.approvals):
        return Defer("Slack cannot be asked whether the approvers are still here")
    unread = sorted(name for name, m in facts.groups.items() if not m.fresh)
    return Defer(f"the members of {', '.join(unread)} could not be read") if unread else None


@check
def quorum_still_stands(request: Request, facts: Facts, now: int) -> Finding | None:
    found = count(request, facts)
    if request.phase(now) is Phase.OPEN or found.reached:
        return None
    why = [f"<@{i.by}>: {i.why}" for i in found.ignored]
    why += [f"nobody counts for {place}" for place in found.missing if place != ANYBODY]
    return Reopen(f"the quorum no longer stands ({'; '.join(why)})")


@check
def nothing_is_on_its_way(request: Request, facts: Facts, now: int) -> Finding | None:
    if facts.sent_until is None or now > facts.sent_until:
        return None
    return Wait(f"what {request.undoes} asked for may still arrive, and would undo this")


@check
def card_and_notice_are_posted(request: Request, facts: Facts, now: int) -> Finding | None:
    if not restrictive(request) or (facts.posted.card and facts.posted.notice):
        return None
    return Wait("the card or the notice of the quorum is not in Slack yet")


@check
def quorum_is_anchored(request: Request, facts: Facts, now: int) -> Finding | None:
    if not request.pinned.strict or facts.posted.anchored:
        return None
    trouble = facts.anchor_trouble or ("" if facts.anchors else "no anchor is configured any more")
    why = f" ({trouble})" if trouble else ""
    return Wait(f"no anchor keeps a checkpoint over its quorum yet{why}")


@check
def channel_is_ours(request: Request, facts: Facts, now: int) -> Finding | None:
    if not restrictive(request) or facts.channel is None:
        return None
    return Wait(facts.channel)
