"""Who may do what, and when. One rule is one function; the rule that refuses is the rule that hides."""

from collections.abc import Callable
from enum import StrEnum

from bot.core.actions import ACTIONS, ActionKind, Outcome
from bot.core.facts import Facts, Missing, Person, Unread
from bot.core.quorum import count, persons
from bot.core.reasons import PROTECTIVE
from bot.core.request import WAITING, Phase, Request
from bot.core.subject import AccountState, Snapshot
from bot.core.text import utc

MINUTE = 60_000
HOUR = 60 * MINUTE
LOOKUP_KEEPS = 5 * MINUTE  # how old a look-up may be when a request is filed on it
REGRET = 24 * HOUR  # how long one reviewer alone may restore
RESTORES_A_DAY = 3  # by one person alone
SETTLE_AFTER = 24 * HOUR  # how long an effect must be unknown before people may settle it


class Act(StrEnum):
    """What a person may want to do. The visible labels are the values of the first six."""

    APPROVE = "Approve"
    VETO = "Veto"
    WITHDRAW = "Withdraw"
    RETRACT = "Retract"
    RESTORE = "Restore"
    SETTLE = "Settle"
    FILE = "file a request"
    FILE_RESTORE = "ask for a restore"
    LOOK_UP = "look an account up to file on it"
    LOOK_UP_TO_RESTORE = "look an account up to restore it"
    QUERY = "query the trail"
    QUERY_MINE = "query the trail for what they filed or decided on"
    LOOK = "look at a request"


FILING = (Act.FILE, Act.FILE_RESTORE)
# Taking back or stopping works even while Slack cannot say who somebody is: the delivery is signed,
# and the rules on who they are to the request go by their id.
NEEDS_A_KNOWN_PERSON = frozenset(Act) - {Act.VETO, Act.WITHDRAW, Act.RETRACT}

Rule = Callable[[Act, Request | None, Person, Facts, int], str | None]
RequestRule = Callable[[Act, Request, Person, Facts, int], str | None]
RULES: list[tuple[frozenset[Act], Rule]] = []


def rule(*acts: Act) -> Callable[[Rule], Rule]:
    """Register a rule for these acts; for all of them if none is named."""

    def register(function: Rule) -> Rule:
        RULES.append((frozenset(acts or Act), function))
        return function

    return register


def request_rule(*acts: Act) -> Callable[[RequestRule], RequestRule]:
    """Register a rule for acts that concern a request that exists."""

    def register(function: RequestRule) -> RequestRule:
        def on_request(
            act: Act, request: Request | None, person: Person, facts: Facts, now: int
        ) -> str | None:
            assert request is not None
            return function(act, request, person, facts, now)

        on_request.__name__ = function.__name__
        RULES.append((frozenset(acts), on_request))
        return function

    return register


def objection(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    """Why `person` may not do `act` now, in a sentence for them; None if they may."""
    for acts, check in RULES:
        if act in acts and (why := check(act, request, person, facts, now)) is not None:
            return why
    return None


def mention(people: frozenset[str]) -> str:
    return ", ".join(f"<@{p}>" for p in sorted(people)) or "nobody yet"


# --- who somebody is -------------------------------------------------------------------------


@rule(*NEEDS_A_KNOWN_PERSON)
def is_known(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    if person.unread:
        return "Slack could not be asked who you are, so nothing was changed. Please try again."
    return None


@rule()
def is_of_this_workspace(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    if not person.unread and person.team != facts.policy.workspace:
        return "You are in another organisation: only members of this workspace can act here."
    return None


@rule()
def is_a_full_member(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    return None if person.flaw is None else f"This account cannot act here: it is {person.flaw}."


@rule(Act.LOOK_UP, Act.FILE)
def is_an_agent(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    if not facts.agents.fresh:
        return "The list of agents could not be read from Slack. Please try again."
    if person.id not in facts.agents.members:
        return f"Only agents can file requests. Agents are: {mention(facts.agents.members)}."
    return None


@rule(Act.LOOK_UP_TO_RESTORE, Act.FILE_RESTORE)
def is_an_agent_or_a_reviewer(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    lists = [facts.agents, *facts.groups.values()]
    if any(m.fresh and person.id in m.members for m in lists):
        return None
    if not all(m.fresh for m in lists):
        return "The lists of agents and reviewers could not be read from Slack. Please try again."
    return f"Only agents and reviewers can ask for a restore. Agents are: {mention(facts.agents.members)}."


@rule(Act.QUERY)
def is_a_manager(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    if not facts.managers.fresh:
        return "The list of managers could not be read from Slack. Please try again."
    if person.id in facts.managers.members:
        return None
    return (
        f"Only managers can query the trail. Managers are: {mention(facts.managers.members)}. "
        "Agents and reviewers can ask for what they filed or decided on: /audit mine."
    )


@rule(Act.QUERY_MINE)
def can_have_a_part_in_requests(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    lists = [facts.agents, facts.managers, *facts.groups.values()]
    if any(m.fresh and person.id in m.members for m in lists):
        return None
    if not all(m.fresh for m in lists):
        return "The lists of agents and reviewers could not be read from Slack. Please try again."
    return (
        "Only agents and reviewers can ask for what they filed or decided on. "
        f"Agents are: {mention(facts.agents.members)}. "
        f"Reviewers are those of {', '.join(sorted(facts.groups))}."
    )


@request_rule(Act.WITHDRAW)
def is_the_requester(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if person.id == request.requester:
        return None
    return f"Only <@{request.requester}>, who filed {request.id}, can withdraw it."


@request_rule(Act.APPROVE, Act.SETTLE)
def is_not_the_requester(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    same = persons(request, facts, [person.id])
    if same[person.id] == same[request.requester]:
        return f"You filed {request.id}: somebody else has to decide on it."
    return None


@request_rule(Act.VETO)
def withdraws_instead(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if person.id == request.requester:
        return f"You filed {request.id}: you can withdraw it, with Withdraw."
    return None


@request_rule(Act.APPROVE, Act.SETTLE)
def is_a_reviewer_now(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if facts.groups_of(person.id):
        return None
    unread = sorted(name for name, m in facts.groups.items() if not m.fresh)
    if unread:
        return (
            f"The members of {', '.join(unread)} could not be read from Slack, so nobody can "
            f"{act.value.lower()} now; {request.id} is held. A veto works."
        )
    return f"Only reviewers can {act.value.lower()}: {', '.join(sorted(facts.groups))}."


@request_rule(Act.APPROVE)
def was_a_reviewer_at_filing(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if request.could_review(person.id) & facts.groups_of(person.id):
        return None
    if not any(members for _, members in request.electorate):
        return (
            f"Slack could not say who the reviewers are when {request.id} was filed: "
            "nobody can approve it, and it has to be filed anew. You may veto it."
        )
    return (
        f"You became a reviewer after {request.id} was filed: "
        "you may veto it, but your approval would not count."
    )


@request_rule(Act.VETO)
def is_or_was_a_reviewer(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if request.could_review(person.id) or facts.last_groups_of(person.id):
        return None
    return f"Only reviewers can veto: {', '.join(sorted(facts.groups))}."


@request_rule(Act.RESTORE)
def is_a_reviewer_by_the_last_list(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if facts.last_groups_of(person.id):
        return None
    return f"Only reviewers can restore at once: {', '.join(sorted(facts.groups))}."


# --- what the subject is ---------------------------------------------------------------------


@rule(*FILING)
def was_found(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    match facts.subject:
        case Missing():
            return "There is no such account. Check the handle, letter by letter."
        case Unread(why=why):
            return f"The account could not be looked up: {why}. Nothing was filed."
    return None


@rule(*FILING)
def was_looked_up_lately(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    if isinstance(facts.subject, Missing | Unread) or now - facts.subject.at <= LOOKUP_KEEPS:
        return None
    return "The account was looked up more than five minutes ago: look it up again."


@rule(Act.FILE)
def is_not_protected(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    return protection(facts)


def protection(facts: Facts) -> str | None:
    """Why nothing may be done to the subject, whoever asks."""
    if isinstance(facts.subject, Missing | Unread):
        return None
    if facts.subject.is_bot_itself:
        return "This is the account that the bot itself acts with: it cannot be deactivated."
    if "admin" in (facts.subject.roles or ()):
        return "This account is an administrator of the platform: it cannot be deactivated here."
    if facts.subject.legal_hold:
        return "This account is under a legal hold: it cannot be deactivated."
    return None


@rule(*FILING)
def has_something_to_change(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    action = ActionKind.DEACTIVATE if act is Act.FILE else ActionKind.RESTORE
    match facts.subject:
        case Snapshot(state=AccountState.ERASED):
            return "This account was erased by the platform: it can be neither deactivated nor restored."
        case Snapshot(state=state, by=by) if state is ACTIONS[action].wanted:
            return f"This account is already {state.value}, by {by or 'whom is unknown'}."
    return None


@rule(*FILING)
def can_be_done_there(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    return None if facts.capability is not None else "This platform cannot do that."


@rule(*FILING)
def is_the_only_request(
    act: Act, request: Request | None, person: Person, facts: Facts, now: int
) -> str | None:
    if facts.holder is None or (act is Act.FILE_RESTORE and facts.holder == facts.undoes):
        return None
    return f"{facts.holder} already concerns this account: see /request-deactivate status {facts.holder}."


# --- where the request stands ----------------------------------------------------------------

PHASES: dict[Act, frozenset[Phase]] = {
    Act.APPROVE: frozenset({Phase.OPEN}),
    Act.RETRACT: WAITING,
    Act.WITHDRAW: WAITING,
    Act.VETO: WAITING | {Phase.EXECUTING},
    Act.RESTORE: frozenset({Phase.EXECUTED, Phase.UNKNOWN}),
    Act.SETTLE: frozenset({Phase.UNKNOWN}),
}


@request_rule(*PHASES)
def is_in_time(act: Act, request: Request, person: Person, facts: Facts, now: int) -> str | None:
    phase = request.phase(now)
    if phase in PHASES[act]:
        return None
    return f"{request.id} is {phase.value}: {act.value} is not possible now."


@request_rule(Act.APPROVE, Act.RETRACT)  # a retraction would open anew what only has to expire
def is_before_the_deadline(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if not request.overdue(now):
        return None
    return f"The time of {request.id} is over. It can be filed anew."


@request_rule(Act.APPROVE)
def approves_once(act: Act, request: Request, person: Person, facts: Facts, now: int) -> str | None:
    same = persons(request, facts, [person.id])
    if any(same[a.by] == same[person.id] for a in request.approvals):
        return (
            f"You have approved {request.id} already: one person counts once. "
            "To approve it afresh, retract first."
        )
    return None


@request_rule(Act.APPROVE)
def can_be_counted_with_the_others(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if not count(request, facts).unread:
        return None
    return (
        f"Slack could not be asked about those who approved {request.id} before you, so that "
        "your approval could not be counted with theirs. Please try again."
    )


@request_rule(Act.RETRACT)
def has_approved(act: Act, request: Request, person: Person, facts: Facts, now: int) -> str | None:
    if any(a.by == person.id for a in request.approvals):
        return None
    return f"You have no approval on {request.id} to retract."


@request_rule(Act.VETO)
def vetoes_once(act: Act, request: Request, person: Person, facts: Facts, now: int) -> str | None:
    if request.late_veto is None:
        return None
    return f"{request.id} already has a veto: no further attempt will be made."


@request_rule(Act.SETTLE)
def has_waited(act: Act, request: Request, person: Person, facts: Facts, now: int) -> str | None:
    execution = request.execution
    since = execution.unknown_since if execution else None
    if since is not None and now - since >= SETTLE_AFTER:
        return None
    return f"{request.id} can be settled by people once it has been unknown for 24 hours."


@request_rule(Act.SETTLE)
def settles_once(act: Act, request: Request, person: Person, facts: Facts, now: int) -> str | None:
    same = persons(request, facts, [person.id])
    if any(same[s.by] == same[person.id] for s in request.settlements):
        return f"You have said so already: a second reviewer has to settle {request.id}."
    return None


# --- restoring with one click ----------------------------------------------------------------


@request_rule(Act.RESTORE)
def is_not_erased(act: Act, request: Request, person: Person, facts: Facts, now: int) -> str | None:
    if request.erasure is None:
        return None
    return f"What {request.id} was about is erased: use /request-restore, which takes an approval."


@request_rule(Act.RESTORE)
def undoes_an_action(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if ACTIONS[request.action].restrictive:
        return None
    return f"{request.id} gave access back: there is nothing to restore."


@request_rule(Act.RESTORE)
def undoes_what_we_did(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    ours = (None, Outcome.VERIFIED, Outcome.PARTIAL, Outcome.ALREADY_OURS, Outcome.UNKNOWN)
    if request.ending is None or request.ending.outcome in ours:
        return None
    return f"{request.id} found it done by somebody else: use /request-restore, which takes an approval."


@request_rule(Act.RESTORE)
def undoes_the_newest(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    newest = facts.undone_by or facts.newer
    if newest is None:
        return None
    return f"{newest} came after {request.id} and changed the same account."


@request_rule(Act.RESTORE)
def is_held_by_nobody_else(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if facts.holder in (None, request.id):
        return None
    return f"{facts.holder} already concerns this account."


@request_rule(Act.RESTORE)
def is_within_regret(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    since = request.ending.at if request.ending else now
    if now - since < REGRET:
        return None
    return f"{request.id} is more than 24 hours old: use /request-restore, which takes an approval."


@request_rule(Act.RESTORE)
def protects_nobody(
    act: Act, request: Request, person: Person, facts: Facts, now: int
) -> str | None:
    if request.reason not in PROTECTIVE:
        return None
    return (
        f"{request.id} was for {request.reason.value}, which protects people: "
        "use /request-restore, which takes an approval."
    )


@request_rule(Act.RESTORE)
def restores_few(act: Act, request: Request, person: Person, facts: Facts, now: int) -> str | None:
    if facts.restores_today < RESTORES_A_DAY:
        return None
    return (
        f"You have restored {RESTORES_A_DAY} accounts alone in 24 hours: "
        "use /request-restore, which takes an approval."
    )


# --- erasing ---------------------------------------------------------------------------------

OF_THE_EFFECT = (
    undoes_an_action,
    undoes_what_we_did,
    undoes_the_newest,
    is_within_regret,
    protects_nobody,
)


def keeps_its_values(request: Request, facts: Facts, now: int) -> str | None:
    """Why what stands sealed in a request must stay for now, and until when; None if it need not."""
    phase = request.phase(now)
    if request.erasure is not None:
        return f"{request.id} was erased already, at {utc(request.erasure.at)}."
    if not phase.closed:
        return f"{request.id} is {phase.value}, and has to end first: {_how_it_ends(request, now)}."
    if facts.holder is not None:
        return f"{facts.holder} still concerns the account of {request.id}, and has to end first."
    nobody = Person("")
    restorable = phase is Phase.EXECUTED and not any(
        check(Act.RESTORE, request, nobody, facts, now) for check in OF_THE_EFFECT
    )
    if not restorable:
        return None
    assert request.ending is not None
    until = utc(request.ending.at + REGRET)
    return f"{request.id} can be undone with one click until {until}, which needs what it says."


def _how_it_ends(request: Request, now: int) -> str:
    if request.overdue(now):
        return "its time is over, and the bot ends it when it runs"
    match request.phase(now):
        case Phase.EXECUTING:
            return "it is being carried out"
        case Phase.UNKNOWN:
            return "its effect has to be seen, or two reviewers have to settle it"
    end = request.deadline if request.run_by is None else request.run_by
    return f"it can be vetoed or withdrawn, and its time is over at {utc(end)}"
