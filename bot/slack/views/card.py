"""The card of a request: one message in the review channel, rendered anew at every change."""

from collections.abc import Sequence
from typing import Any

from bot.core.actions import ACTIONS, Outcome, Reversibility
from bot.core.assess import Assessment
from bot.core.duration import spelled
from bot.core.events import Grounds
from bot.core.request import WAITING, Phase, Request
from bot.core.rules import Act
from bot.core.subject import Snapshot
from bot.core.text import cut, one_line
from bot.slack.views.common import (
    Blocks,
    button,
    confirm,
    context,
    escape,
    fields,
    header,
    hosts,
    overflow,
    quote,
    reason,
    section,
    user,
    when,
)
from bot.slack.views.ids import ref

STATE = {
    Phase.OPEN: "Needs review",
    Phase.COOLING_OFF: "Cooling off",
    Phase.READY: "Ready",
    Phase.EXECUTING: "Executing",
    Phase.UNKNOWN: "Effect unknown",
    Phase.EXECUTED: "Executed",
    Phase.FAILED: "Failed",
    Phase.VETOED: "Vetoed",
    Phase.WITHDRAWN: "Withdrawn",
    Phase.EXPIRED: "Expired",
    Phase.LAPSED: "Lapsed",
}
OUTCOME = {
    Outcome.VERIFIED: "the effect was seen",
    Outcome.ALREADY_OURS: "it was so already, by us",
    Outcome.ALREADY_OTHERS: "it was so already, by somebody else",
    Outcome.PARTIAL: "in part: it was done, and is not to be seen everywhere",
    Outcome.UNKNOWN: "what came of it was never seen",
}
REVERSIBLE = {
    Reversibility.LOSSLESS: "reversible, nothing is lost",
    Reversibility.LOSSY: "reversible, with losses",
    Reversibility.NONE: "not reversible",
}
UNKNOWN = "unknown"
UNANCHORED = "It does not wait until somebody outside keeps what was decided."
ERASED = "(erased)"  # in the place of what is gone


def handle(request: Request) -> str:
    """E.g. `@handle`, as it was looked up last."""
    known = request.known.value
    return ERASED if known is None else f"@{one_line(known.handle, 60).removeprefix('@')}"


def title(request: Request) -> str:
    """E.g. `Deactivate @handle`."""
    return f"{ACTIONS[request.action].verb} {handle(request)}"


def headline(a: Assessment) -> str:
    return f"{a.request.pinned.tier} · {title(a.request)} · {STATE[a.phase]}"


def sentence(a: Assessment) -> str:
    """The state in one sentence: the message's top-level text, for notifications and readers."""
    r = a.request
    tail = f"{STATE[a.phase].lower()}"
    if a.phase is Phase.OPEN:
        tail += f", still needs {' and '.join(a.missing)}"
    return f"{r.id}: {escape(title(r))}, {tail}."


def render(
    a: Assessment, reversibility: Reversibility | None, mark: str, undelivered: Sequence[str] = ()
) -> tuple[str, Blocks]:
    """The card's text and blocks; `mark`: the place in the trail that it shows; `undelivered`: in
    words, which messages Slack did not take."""
    blocks = [header(headline(a)), *facts(a, reversibility)]
    blocks.append(section("\n".join(progress(a))))
    if a.holds:
        blocks.append(context(*(f":warning: *Held:* {escape(h)}" for h in a.holds[:10])))
    if undelivered:
        blocks.append(context(*(f":satellite_antenna: {line}" for line in undelivered[-5:])))
    if (row := buttons(a)) is not None:
        blocks.append(row)
    r = a.request
    blocks.append(context(f"{r.id} · round {r.round} · {r.digest[:8]} · {mark}"))
    return sentence(a), blocks


def facts(a: Assessment, reversibility: Reversibility | None) -> Blocks:
    """What the request is about; it stays on the card when it is closed."""
    r = a.request
    grounds, subject = r.grounds.value, r.known.value
    blocks: Blocks = [
        section(asks(r)),
        quote(ERASED if grounds is None else grounds.what_happened),
        fields(
            [
                ("Account", account(subject)),
                ("Reach", reach(subject)),
                *_given(grounds),
                ("Reversibility", REVERSIBLE[reversibility] if reversibility else UNKNOWN),
            ]
        ),
    ]
    if r.erasure is not None:
        said = f"Erased {when(r.erasure.at)} by {user(r.erasure.by)}: who decided, and when, stays."
        blocks.append(context(f":wastebasket: {said}"))
    why = f"{escape(r.pinned.why)} · policy {r.pinned.policy[:8]}"
    blocks.append(context(f"*Tier:* {why}"))
    if 0 < r.pinned.cool_off < 60_000:
        blocks.append(context(":warning: The policy gives it a cool-off of less than a minute."))
    if r.pinned.is_top and not r.pinned.strict:
        blocks.append(context(f":warning: {UNANCHORED}"))
    if r.reopened_why is not None and a.phase in WAITING:
        blocks.append(
            context(f":repeat: *Round {r.round}:* {reason(cut(r.reopened_why.open.text, 500))}")
        )
    return blocks


def _given(grounds: Grounds | None) -> list[tuple[str, str]]:
    """What the requester gave beside the reason."""
    if grounds is None:
        return [(name, ERASED) for name in ("Policy clause", "Ticket", "Evidence")]
    links = grounds.evidence
    return [
        ("Policy clause", escape(one_line(grounds.clause, 300)) or "none given"),
        ("Ticket", escape(one_line(grounds.ticket, 300)) or "none given"),
        ("Evidence", f"{len(links)} · {escape(hosts(links))}" if links else "none given"),
    ]


def asks(r: Request) -> str:
    who, verb = user(r.requester), ACTIONS[r.action].verb.lower()
    undoing = f", undoing *{r.undoes}*" if r.undoes else ""
    return f"{who} asks to {verb} *{escape(handle(r))}*{undoing} for *{r.reason.value}*:"


def account(s: Snapshot | None) -> str:
    if s is None:
        return ERASED
    name = escape(one_line(s.display_name, 80)) if s.display_name else "name unknown"
    since = f" since {when(s.since)}" if s.since is not None else ""
    return (
        f"{name} · {s.state.value}{since}\n"
        f"{escape(one_line(str(s.subject), 200))}\nlooked up {when(s.at)}"
    )


def reach(s: Snapshot | None) -> str:
    if s is None:
        return ERASED
    followers = UNKNOWN if s.followers is None else f"{s.followers:,}"
    verified = {None: "verified: unknown", True: "verified", False: "not verified"}[s.verified]
    made = UNKNOWN if s.created_at is None else when(s.created_at, "{date_short}")
    return f"followers: {followers}\n{verified}\ncreated: {made}"


def progress(a: Assessment) -> list[str]:
    """How far it has come, one line each: quorum, who, what is next."""
    r = a.request
    lines = []
    if r.pinned.approvals > 0:
        got, needed = len(a.count.counted), r.pinned.approvals
        needs = f" · still needs {escape(' and '.join(a.missing))}" if a.phase is Phase.OPEN else ""
        lines.append(f"{'●' * got}{'○' * (needed - got)}  *{got} of {needed}*{needs}")
        counted = [x for x in r.approvals if x.by in a.count.counted]
        lines += [f"Approved by {user(x.by)} {when(x.at)}" for x in counted]
        lines += [f"Ignored: {user(i.by)}, {escape(i.why)}" for i in a.count.ignored]
    else:
        lines.append(f"One reviewer restores: {user(r.requester)} {when(r.filed_at)}")
    lines += _next(a)
    return lines


def _next(a: Assessment) -> list[str]:
    r, ending = a.request, a.request.ending
    veto = r.late_veto
    late = [] if veto is None else [f":no_entry: Vetoed {when(veto.at)}: no further attempt"]
    match a.phase:
        case Phase.OPEN:
            return [f"Open until {when(r.deadline)}"]
        case Phase.COOLING_OFF:
            assert r.eta is not None
            return [f":hourglass_flowing_sand: Cooling off until *{when(r.eta)}*: a veto stops it"]
        case Phase.READY:
            assert r.run_by is not None
            return [f":arrow_forward: Ready; runs before {when(r.run_by)}. A veto stops it"]
        case Phase.EXECUTING:
            return [":gear: Being executed now", *late]
        case Phase.UNKNOWN:
            assert r.execution is not None
            why = r.execution.why.open.text if r.execution.why else UNKNOWN
            since = r.execution.unknown_since or r.execution.started_at
            return [
                f":grey_question: *Effect unknown* since {when(since)}: {escape(why)}",
                "It is looked at again and again, and never sent again. "
                "After 24 hours two reviewers may settle it in Details.",
                *late,
            ]
    assert ending is not None
    return [*_ended(a), *late]


def _ended(a: Assessment) -> list[str]:
    ending = a.request.ending
    assert ending is not None
    at, by = when(ending.at), user(ending.by)
    safe = reason if ending.phase is Phase.LAPSED else escape  # the others say what people typed
    why = ""
    if ending.why is not None:
        told = ending.why.value
        why = f": {ERASED if told is None else safe(cut(told.text, 1500))}"
    match ending.phase:
        case Phase.EXECUTED:
            assert ending.outcome is not None
            observed = ending.observed and ending.observed.value
            seen = f" ({escape(observed.surface)})" if observed else ""
            done = ACTIONS[a.request.action].done.capitalize()
            lines = [f":white_check_mark: *{done}* {at}: {OUTCOME[ending.outcome]}{seen}"]
            if a.undone_by is not None:
                away = f" after {spelled(a.away)} away" if a.away is not None else ""
                lines.append(f":leftwards_arrow_with_hook: *Restored*{away} by {a.undone_by}")
            return lines
        case Phase.FAILED:
            return [f":x: *Failed* {at}{why}", "Nothing is tried again: file it anew if need be."]
        case Phase.VETOED:
            return [f":no_entry: *Vetoed* by {by} {at}{why}"]
        case Phase.WITHDRAWN:
            return [f":leftwards_arrow_with_hook: *Withdrawn* by {by} {at}"]
        case Phase.EXPIRED:
            return [f":alarm_clock: *Expired* {at}: time ends a request, it never passes one"]
    return [f":wastebasket: *Lapsed* {at}{why}"]


def buttons(a: Assessment) -> dict[str, Any] | None:
    """The row of buttons of the phase; which of them somebody may press is told when they do."""
    r = a.request
    value = str(ref(r))
    details = button("Details", "details", value)
    row: list[dict[str, Any]] = []
    if a.phase is Phase.UNKNOWN:
        row = [button("Check again", "check", value), details]
    else:
        if Act.APPROVE in a.acts:
            row.append(approve_button(r, value))
        if Act.VETO in a.acts:
            row.append(button(Act.VETO.value, "veto", value, "danger"))
        if Act.RESTORE in a.acts:
            row.append(button(Act.RESTORE.value, "restore", value, "primary"))
        row.append(details)
        taken_back = (Act.RETRACT, Act.WITHDRAW) if r.approvals else (Act.WITHDRAW,)
        more = [act for act in taken_back if act in a.acts]
        if more:
            options = [(act.value, f"{act.value.lower()}/{value}") for act in more]
            row.append(overflow("more", options))
    return {"type": "actions", "block_id": "decide", "elements": row}


def approve_button(r: Request, value: str) -> dict[str, Any]:
    """In the top tiers it opens a form; in the others it asks for confirmation."""
    if r.pinned.is_top:
        return button(Act.APPROVE.value, "approve_form", value, "primary")
    ask = confirm(
        f"{title(r)}?",
        f"{r.known.open.subject}, for {r.reason.value}. You can retract it until it runs.",
        Act.APPROVE.value,
    )
    return button(Act.APPROVE.value, "approve", value, "primary", ask)


def parse_more(value: str) -> tuple[str, str]:
    """(`retract` or `withdraw`, the value of the card's Ref) of an option of the menu."""
    act, _, rest = value.partition("/")
    return act, rest
