"""Every transition there is. `decide` answers a command with events, or refuses it; nobody else
constructs an event or an order."""

from __future__ import annotations  # those of the functions inside `decide` would cost each call

import hashlib
from typing import assert_never

from bot.core.actions import ACTIONS, ActionKind, Order, Outcome
from bot.core.checks import Defer, Lapse, Reopen, Wait, findings
from bot.core.commands import (
    HOST,
    AdoptPolicy,
    Approve,
    Command,
    Erase,
    EraseQueries,
    Expire,
    Export,
    File,
    NothingHappened,
    Query,
    Recheck,
    Record,
    Refusal,
    Restore,
    Retract,
    Seen,
    SetBack,
    Settle,
    Start,
    Unclear,
    Unmask,
    Veto,
    Withdraw,
)
from bot.core.events import (
    Approved,
    AttemptEnded,
    Electorate,
    Erased,
    Event,
    Executed,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionUnknown,
    Expired,
    Exported,
    Filed,
    Grounds,
    Identity,
    Lapsed,
    Names,
    PolicyAdopted,
    Queried,
    QueriesErased,
    QuorumLost,
    QuorumReached,
    Reopened,
    RequestEvent,
    Retracted,
    SettlementProposed,
    Unmasked,
    Vetoed,
    Withdrawn,
)
from bot.core.facts import Facts, Missing, Unread
from bot.core.policy import changes
from bot.core.quorum import count
from bot.core.reasons import ReasonCode
from bot.core.request import WAITING, Phase, Request, evolve
from bot.core.rules import Act, keeps_its_values, objection
from bot.core.sealed import Sealed, T, Words, canonical, seal
from bot.core.subject import Snapshot, SubjectId
from bot.core.terms import Terms, restore_at_once, terms_for

SEND_WITHIN = 30_000  # ms from ExecutionStarted; nothing is sent later
REOPENED_AT_MOST = 2


class Refused(Exception):
    """The command changes nothing; the text says why, to the person who asked."""


def decide(request: Request | None, command: Command, facts: Facts, now: int) -> list[Event]:
    """What happens when `command` is given at `now` (ms). Raises Refused; then nothing happens.

    `request` is the one that the command names, None for those that name none. The events of File
    and Restore begin a new request, `facts.next_id`.
    """
    by = command.by

    def sealed(value: T, label: str) -> Sealed[T]:
        return seal(value, facts.seed, f"{type(command).__name__}/{label}")

    def words(text: str) -> Sealed[Words]:
        return sealed(Words(text=text), "words")

    def allow(act: Act) -> None:
        if (why := objection(act, request, facts.person(by), facts, now)) is not None:
            raise Refused(why)

    def allow_erasing(reason: str) -> None:
        if not by.startswith(HOST):
            raise Refused("Only on the machine can something be erased: nolone audit erase.")
        if not reason.strip():
            raise Refused("Say why it is erased, in a few words.")

    def identity() -> Sealed[Identity]:
        return sealed(Identity(keys=facts.person(by).identity), "identity")

    def filed(
        action: ActionKind,
        subject: Sealed[SubjectId],
        snapshot: Sealed[Snapshot],
        reason: ReasonCode,
        grounds: Grounds,
        terms: Terms,
        undoes: str | None = None,
    ) -> Filed:
        told = sealed(grounds, "grounds")
        return Filed(
            at=now,
            by=by,
            request=facts.next_id,
            action=action,
            reason=reason,
            subject=subject,
            snapshot=snapshot,
            grounds=told,
            terms=terms,
            electorate=_electorate(facts),
            identity=identity(),
            digest=_digest(action, subject, snapshot, reason, told, terms),
            undoes=undoes,
        )

    match command:
        case File():
            allow(Act.FILE if ACTIONS[command.action].restrictive else Act.FILE_RESTORE)
            assert isinstance(facts.subject, Snapshot)
            if facts.subject.subject != command.subject:
                raise Refused("The account looked up is not the one in the form: start again.")
            return [
                filed(
                    command.action,
                    sealed(command.subject, "subject"),
                    sealed(facts.subject, "snapshot"),
                    command.reason,
                    command.grounds,
                    terms_for(facts.policy, command.action, facts.subject, now, facts.anchors),
                    None if ACTIONS[command.action].restrictive else facts.undoes,
                )
            ]
        case Query():
            if not by.startswith(HOST):  # who is on the machine can read the file; it is recorded
                allow(Act.QUERY_MINE if command.mine else Act.QUERY)
            asked = words(command.text)
            answered, export = command.answered, command.export
            return [Queried(at=now, by=by, query=asked, answered=answered, export=export)]
        case Export():
            if not by.startswith(HOST):
                allow(Act.QUERY)
            names = None if command.names is None else Names(people=command.names)
            return [
                Exported(
                    at=now,
                    by=by,
                    query=words(command.text),
                    format=command.format,
                    since=command.since,
                    until=command.until,
                    size=command.size,
                    root=command.root,
                    entries=command.entries,
                    digest=command.digest,
                    names=None if names is None else sealed(names, "names"),
                )
            ]
        case Unmask():
            if (why := _masked(command, facts)) is not None:
                raise Refused(why)
            reason = words(command.reason)
            return [
                Unmasked(at=now, by=by, export=command.export, name=command.name, reason=reason)
            ]
        case AdoptPolicy():
            told = changes(facts.policy, command.policy)
            wait = facts.policy.longest_cool_off if facts.ever_filed and told else 0
            if not told and not command.first:
                told = ("The change that was announced is taken back.",)
            return [
                PolicyAdopted(
                    at=now,
                    by=by,
                    digest=command.policy.digest,
                    policy=sealed(command.policy, "policy"),
                    changes=words("\n".join(told)),
                    effective=now + wait,
                )
            ]
        case EraseQueries():
            allow_erasing(command.reason)
            if not command.entries:
                raise Refused("There is no query to erase.")
            reason = words(command.reason)
            return [QueriesErased(at=now, by=by, entries=command.entries, reason=reason)]
        case _:
            pass

    if request is None:
        raise Refused(f"There is no request {command.request}.")
    phase = request.phase(now)

    def rechecked() -> tuple[list[Event], str | None]:
        """What the present facts ask for instead, or why it has to wait; neither if all is well."""
        match next(iter(findings(request, facts, now)), None):
            case Lapse(why):
                return [Lapsed(at=now, by=by, why=words(why))], None
            case Reopen(why):
                return [_reopened(request, facts, why, now, by)], None
            case Defer(why) | Wait(why):
                return [], why
            case _:
                return [], None

    match command:
        case Restore():
            allow(Act.RESTORE)
            if not command.reason.strip():
                raise Refused("Say why the account is restored.")
            known = request.known.open
            first = filed(
                ActionKind.RESTORE,
                sealed(request.subject.open, "subject"),
                sealed(known, "snapshot"),
                request.reason,
                Grounds(what_happened=command.reason),
                restore_at_once(facts.pinned or facts.policy, known, now),
                undoes=request.id,
            )
            return [first, QuorumReached(at=now, by=by, counted=())]
        case Approve():
            if (command.round, command.digest8) != (request.round, request.digest[:8]):
                raise Refused(f"This card is of an earlier round of {request.id}: see the newest.")
            allow(Act.APPROVE)
            approved = Approved(
                at=now,
                by=by,
                digest=request.digest,
                groups=tuple(sorted(facts.groups_of(by))),
                identity=identity(),
            )
            found = count(evolve(request, approved), facts)
            if not found.reached:
                return [approved]
            return [approved, QuorumReached(at=now, by=by, counted=found.counted)]
        case Retract():
            allow(Act.RETRACT)
            retracted = Retracted(at=now, by=by)
            if request.quorum_at is None or count(evolve(request, retracted), facts).reached:
                return [retracted]
            return [retracted, QuorumLost(at=now, by=by)]
        case Veto():
            allow(Act.VETO)
            if not command.reason.strip():
                raise Refused("A veto needs a reason, in a few words.")
            return [Vetoed(at=now, by=by, reason=words(command.reason))]
        case Withdraw():
            allow(Act.WITHDRAW)
            return [Withdrawn(at=now, by=by)]
        case Recheck():
            if phase not in WAITING:
                raise Refused(f"{request.id} is {phase.value}.")
            if request.overdue(now):
                raise Refused(f"The time of {request.id} is over.")
            if (instead := rechecked()[0]) != []:
                return instead
            found = count(request, facts)
            if phase is Phase.OPEN and found.reached:
                # somebody who approved counts again: nobody would click once more for that
                return [QuorumReached(at=now, by=by, counted=found.counted)]
            return []
        case Start():
            if phase is not Phase.READY:
                raise Refused(f"{request.id} is {phase.value}, not ready.")
            if request.overdue(now):
                raise Refused(f"The time of {request.id} is over.")
            instead, unready = rechecked()
            if unready is not None:
                raise Refused(f"{request.id} waits: {unready}.")
            if instead:
                return instead
            assert request.run_by is not None
            assert isinstance(facts.subject, Snapshot)
            order = Order(
                key=f"{facts.origin}/{request.id}/{request.round}",
                action=request.action,
                subject=request.subject.open,
                handle=facts.subject.handle,
                not_after=min(request.run_by, now + SEND_WITHIN),
            )
            return [
                ExecutionStarted(
                    at=now,
                    by=by,
                    attempt=request.attempts + 1,
                    order=sealed(order, "order"),
                    before=sealed(facts.subject, "before"),
                )
            ]
        case Record():
            execution = request.execution
            if execution is None or execution.attempt != command.attempt:
                raise Refused(f"{request.id} has no attempt {command.attempt} under way.")
            unknown = phase is Phase.UNKNOWN
            if unknown and facts.undone_by is not None:
                # what is seen now is the work of the restore, and says nothing of this attempt
                return [_never_known(now, by)]
            if facts.holder not in (None, request.id):
                raise Refused(f"{request.id} waits for {facts.holder}, which undoes it.")
            match command.finding:
                case Seen(Outcome.UNKNOWN) | Unclear() if unknown:
                    return []
                case Seen(Outcome.UNKNOWN):  # closes nothing: an effect nobody saw is unknown
                    text = "what was seen does not tell whether it happened"
                    return [ExecutionUnknown(at=now, by=by, why=words(text))]
                case Seen(Outcome.NOT_APPLIED):
                    text = "the platform answered, and nothing changed"
                    return [ExecutionFailed(at=now, by=by, why=words(text))]
                case Seen(outcome, receipt, observed):
                    return [
                        Executed(
                            at=now,
                            by=by,
                            outcome=outcome,
                            receipt=None if receipt is None else sealed(receipt, "receipt"),
                            observed=None if observed is None else sealed(observed, "observed"),
                        )
                    ]
                case Refusal(why):
                    return [ExecutionFailed(at=now, by=by, why=words(why))]
                case NothingHappened(why) if unknown:
                    return [ExecutionFailed(at=now, by=by, why=words(why))]
                case NothingHappened(why):
                    return [AttemptEnded(at=now, by=by, why=words(why))]
                case Unclear(why):
                    return [ExecutionUnknown(at=now, by=by, why=words(why))]
                case _:  # pragma: no cover
                    assert_never(command.finding)
        case Settle():
            allow(Act.SETTLE)
            if not command.reason.strip():
                raise Refused("Say how you know what became of it.")
            said = SettlementProposed(
                at=now,
                by=by,
                took_effect=command.took_effect,
                reason=words(command.reason),
                identity=identity(),
            )
            agree = [s for s in request.settlements if s.took_effect == command.took_effect]
            return [said, *_settled(said)] if agree else [said]
        case Erase():
            allow_erasing(command.reason)
            if (kept := keeps_its_values(request, facts, now)) is not None:
                raise Refused(kept)
            return [Erased(at=now, by=by, reason=words(command.reason))]
        case SetBack():
            if not by.startswith(HOST):
                raise Refused("Only on the machine can the trail be set back: nolone restore.")
            if phase in WAITING:
                return [Lapsed(at=now, by=by, why=words(command.why))]
            if phase is Phase.EXECUTING:  # it is looked for, and never sent
                return [ExecutionUnknown(at=now, by=by, why=words(command.why))]
            raise Refused(f"{request.id} is {phase.value}: nothing of it is still to run.")
        case Expire():
            if not request.overdue(now):
                raise Refused(f"{request.id} is {phase.value}, and in time.")
            return [Expired(at=now, by=by, phase="open" if phase is Phase.OPEN else "ready")]
        case _:  # pragma: no cover
            assert_never(command)


def _masked(command: Unmask, facts: Facts) -> str | None:
    """Why somebody must not, or cannot, be unmasked."""
    if not command.by.startswith(HOST):
        return "People are unmasked on the bot's machine only: nolone audit unmask."
    if not command.reason.strip():
        return "Say why, in a few words: unmasking somebody is recorded with its reason."
    if facts.exported is None:
        return f"Entry {command.export} of the trail is no export."
    names = facts.exported.names
    if names is None:
        return f"The export of entry {command.export} shows people as they are: it has no names."
    if names.value is None:
        return f"Who is who in the export of entry {command.export} was erased."
    if command.name not in dict(names.value.people):
        return f"Nobody is called {command.name} in the export of entry {command.export}."
    return None


def _electorate(facts: Facts) -> Electorate:
    return tuple((name, tuple(sorted(facts.groups[name].members))) for name in sorted(facts.groups))


def _digest(
    action: ActionKind,
    subject: Sealed[SubjectId],
    snapshot: Sealed[Snapshot],
    reason: ReasonCode,
    grounds: Sealed[Grounds],
    terms: Terms,
) -> str:
    """What an approval is given for: the action, on whom, the facts shown, why, and the terms."""
    covered = [action, subject, snapshot, reason, grounds, terms]
    return hashlib.sha256(canonical(covered)).hexdigest()


def _reopened(request: Request, facts: Facts, why: str, now: int, by: str) -> RequestEvent:
    """A new round on what is so now; lapsed instead if that happened too often."""
    text = seal(Words(text=why), facts.seed, "reopened/why")
    if request.round > REOPENED_AT_MOST:
        return Lapsed(at=now, by=by, why=text)
    assert not isinstance(facts.subject, Missing | Unread)
    policy = facts.pinned or facts.policy
    terms = request.pinned.stricter(
        terms_for(policy, request.action, facts.subject, now, facts.anchors)
    )
    snapshot = seal(facts.subject, facts.seed, "reopened/snapshot")
    return Reopened(
        at=now,
        by=by,
        why=text,
        snapshot=snapshot,
        terms=terms,
        digest=_digest(
            request.action, request.subject, snapshot, request.reason, request.grounds, terms
        ),
    )


def _settled(said: SettlementProposed) -> list[Event]:
    """The end that two people who agree give to an effect nobody could see."""
    if said.took_effect:
        return [_never_known(said.at, said.by)]
    return [ExecutionFailed(at=said.at, by=said.by, why=said.reason)]


def _never_known(at: int, by: str) -> Executed:
    return Executed(at=at, by=by, outcome=Outcome.UNKNOWN, receipt=None, observed=None)
