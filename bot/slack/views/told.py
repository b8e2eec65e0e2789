"""Events in words: the replies in a request's thread, and the direct messages."""

from collections.abc import Sequence

from bot.core.actions import ACTIONS, Outcome
from bot.core.assess import Assessment
from bot.core.events import (
    Approved,
    AttemptEnded,
    Erased,
    Executed,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionUnknown,
    Expired,
    Filed,
    Lapsed,
    PolicyAdopted,
    QuorumLost,
    QuorumReached,
    Reopened,
    RequestEvent,
    Retracted,
    SettlementProposed,
    Vetoed,
    Withdrawn,
)
from bot.core.request import WAITING, Phase, Request
from bot.core.rules import Act
from bot.core.sealed import Sealed, Words
from bot.core.text import cut
from bot.slack.views.card import ERASED, OUTCOME, account, asks, handle, reach, title
from bot.slack.views.common import (
    Blocks,
    button,
    context,
    escape,
    fields,
    reason,
    section,
    user,
    when,
)
from bot.slack.views.ids import ref
from bot.store.tx import Row

ENDS = (Vetoed, Withdrawn, Expired, Lapsed, Executed, ExecutionFailed)


def _words(sealed: Sealed[Words]) -> str:
    return escape(cut(sealed.value.text, 1500)) if sealed.value else ERASED


def _why(sealed: Sealed[Words]) -> str:
    """The same within a sentence that has a full stop of its own."""
    return _words(sealed).rstrip(". ")


def _by_itself(sealed: Sealed[Words]) -> str:
    """The same where nobody typed the reason."""
    return reason(cut(sealed.value.text, 1500)).rstrip(". ") if sealed.value else ERASED


def thread(request: Request, event: RequestEvent) -> str:
    """What happened, in a sentence of mrkdwn; `request` as it is after it."""
    by, done = user(event.by), ACTIONS[request.action].done
    match event:
        case Filed():
            needs = (
                f"{event.terms.approvals} approvals" if event.terms.approvals != 1 else "1 approval"
            )
            needs += "".join(f", at least {n} from {group}," for group, n in event.terms.including)
            if event.terms.approvals == 0:
                return f"{by} filed {request.id}, a restore that takes no approval."
            return f"{by} filed {request.id}: it takes {needs} until {when(request.deadline)}."
        case Approved():
            return f"{by} approved, as {escape(', '.join(event.groups))}."
        case QuorumReached():
            if not request.pinned.cool_off:
                return "Nothing more is needed: it runs now."
            assert request.eta is not None
            return (
                f"*Quorum reached.* Cooling off until *{when(request.eta)}*: a veto still stops it."
            )
        case Retracted():
            return f"{by} retracted their approval."
        case QuorumLost():
            return "The quorum is lost: it needs approval again."
        case Vetoed():
            if request.ending is None:
                return (
                    f"{by} vetoed after it had been started: {_words(event.reason)}\n"
                    "No further attempt will be made; if it takes effect, Restore undoes it."
                )
            return f"*Vetoed* by {by}: {_words(event.reason)}"
        case Withdrawn():
            return f"*Withdrawn* by {by}."
        case Reopened():
            return (
                f"*Reopened* (round {request.round}): {_by_itself(event.why)}. Approvals are void."
            )
        case Lapsed():
            return f"*Lapsed*: {_by_itself(event.why)}."
        case Expired():
            what = "no quorum" if event.phase == "open" else "not run"
            return f"*Expired*: {what} in time. Nothing was done."
        case ExecutionStarted():
            again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
            order = event.order.value
            end = "" if order is None else f"; nothing is sent after {when(order.not_after)}"
            return f"Execution started{again}{end}."
        case Executed():
            return f"*{done.capitalize()}*: {OUTCOME[event.outcome]}{_evidence(event)}."
        case ExecutionFailed():
            return f"*Failed*: {_why(event.why)}. Nothing is tried again."
        case AttemptEnded():
            return f"The attempt came to nothing: {_why(event.why)}."
        case ExecutionUnknown():
            return f"*What came of it is not known*: {_why(event.why)}. It is being looked at."
        case SettlementProposed():
            what = "took effect" if event.took_effect else "did not take effect"
            return f"{by} says that it {what}: {_words(event.reason)}"
        case Erased():
            return f"{by} erased what it was about: {_words(event.reason)}"


def _evidence(event: Executed) -> str:
    parts = []
    if event.receipt is not None and (receipt := event.receipt.value) is not None:
        parts.append(f"the platform answered “{escape(receipt.answer)}”")
    if event.observed is not None and (seen := event.observed.value) is not None:
        by = (
            f", by {escape(seen.by)}" if seen.by and event.outcome is Outcome.ALREADY_OTHERS else ""
        )
        parts.append(f"seen as {seen.state.value} in the {escape(seen.surface)}{by}")
    return f" ({'; '.join(parts)})" if parts else ""


def broadcast(event: RequestEvent) -> bool:
    """Only the end is shown to the whole channel too."""
    return isinstance(event, ENDS)


def direct(a: Assessment, event: RequestEvent, to: str, mark: str) -> tuple[str, Blocks]:
    """What `to` is told by direct message: a receipt, a warning, or an end; `mark`: the event's place
    in the trail."""
    r = a.request
    value = str(ref(r))
    details = button("Details", "details", value)
    if isinstance(event, Approved) and to == event.by:
        text = f"Receipt: you approved {r.id}, {escape(title(r))}."
        return text, [
            section(f":receipt: *You approved {r.id}*\n{asks(r)}"),
            fields([("Account", account(r.known.value)), ("Reach", reach(r.known.value))]),
            context(f"{when(event.at)} · {r.id} · round {r.round} · {event.digest[:8]} · {mark}"),
            {"type": "actions", "elements": [details]},
        ]
    if isinstance(event, QuorumReached):
        if r.eta is not None and a.phase in WAITING:
            text = f"{r.id}, {escape(title(r))}, has its quorum and cools off."
            now = f"It runs after *{when(r.eta)}*, unless somebody vetoes it."
        else:  # told late: it has gone on meanwhile
            text = now = f"Since its quorum: {answered(a)}"
        row = [details]
        if Act.VETO in a.acts:
            row.insert(0, button(Act.VETO.value, "veto", value, "danger"))
        return text, [
            section(f":hourglass_flowing_sand: *{r.id} has its quorum*\n{asks(r)}"),
            fields([("Account", account(r.known.value)), ("Reach", reach(r.known.value))]),
            section(now),
            context(mark),
            {"type": "actions", "elements": row},
        ]
    text = f"{r.id}, {escape(title(r))}: {thread(r, event)}"
    return text, [section(text), context(mark), {"type": "actions", "elements": [details]}]


def policy(event: PolicyAdopted, now: int) -> str:
    """The post that says that the policy changed, and from when on."""
    start = (
        "It is in force." if event.effective <= now else f"In force from *{when(event.effective)}*."
    )
    return (
        f":scroll: *The policy changed* ({event.digest[:8]}). {start}\n{_words(event.changes)}\n"
        "Open requests keep their terms."
    )


def undelivered(row: Row) -> str:
    """What of a request's messages Slack did not take, by one error; see store/undelivered.py."""
    n, why = row["messages"], escape(row["error"])
    if not n:
        return why
    messages = "1 message" if n == 1 else f"{n} messages"
    if "until" not in row:
        return f"*Not delivered:* {messages} since {when(row['since'])}: {why}. It is tried again."
    if row["until"] is None:
        return f"*Not delivered:* {messages}, given up {when(row['since'])}: {why}."
    return (
        f"*Late:* {messages} could not be delivered from {when(row['since'])}"
        f" to {when(row['until'])}: {why}."
    )


def digest(cards: int, oldest: Sequence[str]) -> str:
    """So many requests have no card yet; `oldest` are the ids of the first."""
    if not cards:
        return ":inbox_tray: Every request that was waiting for its card has it now."
    requests = "1 request waits" if cards == 1 else f"{cards} requests wait"
    more = " and more" if cards > len(oldest) else ""
    return (
        f":inbox_tray: *{requests} for a card*, since Slack takes about one message a second:"
        f" {', '.join(oldest)}{more}. None is lost, and each can be seen and stopped now:"
        " `/request-deactivate status R-n`, `/request-deactivate veto R-n`."
    )


def answered(a: Assessment) -> str:
    """What a click has led to, for whoever clicked."""
    r = a.request
    if r.late_veto is not None and r.ending is None:
        return (
            f"{r.id}, {escape(title(r))}, had been started before your veto, which is recorded: "
            "no further attempt will be made. If it takes effect, Restore undoes it."
        )
    tail = f", still needs {' and '.join(a.missing)}" if a.phase is Phase.OPEN else ""
    return f"{r.id}, {escape(title(r))}, is {a.phase.value}{escape(tail)}."


def status_line(a: Assessment) -> str:
    r = a.request
    needs = f" · still needs {escape(' and '.join(a.missing))}" if a.phase is Phase.OPEN else ""
    eta = f" · until {when(r.eta)}" if a.phase is Phase.COOLING_OFF and r.eta else ""
    held = f" · held: {escape('; '.join(a.holds))}" if a.holds else ""
    return (
        f"*{r.id}* {ACTIONS[r.action].verb} {escape(handle(r))} · {a.phase.value}{needs}{eta}{held}"
    )
