"""Answers to `/audit`: for the manager who asked, and nobody else."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from bot.audit.answer import Answer, Help, Life, Line, Nothing, Requests, Summary
from bot.audit.coming import Coming
from bot.audit.folder import proof_name
from bot.audit.life import DID, ERASED, Said, Typed, When, Who, length
from bot.audit.query import HELP, LONGEST
from bot.audit.stats import Stats
from bot.core.actions import ACTIONS
from bot.core.text import one_line
from bot.ledger.note import rebase64
from bot.slack.views import coming as coming_view
from bot.slack.views import stats as stats_view
from bot.slack.views.common import (
    SECTION_MOST,
    Block,
    Blocks,
    button,
    context,
    escape,
    header,
    section,
    user,
    when,
)

PAGE = re.compile(r"audit_page_(?:before|after)")  # the buttons' action ids
BEFORE, AFTER = "audit_page_before", "audit_page_after"
_TURN = re.compile(r"([1-9][0-9]{0,9})\.([1-9][0-9]{0,14})\.(.*)", re.DOTALL)
_TYPED = 900  # characters of what somebody typed; the command line shows the rest


class Turn(NamedTuple):
    """What a page button asks for: the same text as at first, as of then, on another page."""

    text: str
    page: int
    asked: int  # ms


def render(answer: Answer, card: str | None = None) -> tuple[str, Blocks]:
    """The answer in a sentence, and in blocks; `card`: the address of the card that it is about."""
    match answer.body:
        case Help():
            text, blocks = "What can be asked of the trail", [_help()]
        case Nothing(id):
            text = f"There is no request {id}."
            blocks = [section(text)]
        case Summary() as found:
            text, blocks = _summary(found)
        case Requests() as requests:
            n = requests.page.total
            text = f"{_requests(n)} in the trail"
            if requests.more:
                text = f"The newest {n} of more requests in the trail"
            counts = ", ".join(f"{n} {phase}" for phase, n in requests.states)
            older = "\nOlder ones by `until:`" if requests.more else ""
            said = f"*{text}*" + (f": {counts}" if counts else "") + older
            blocks = [section(said), *_lines(requests.lines)]
        case Life() as life:
            text, blocks = _life(life, card)
        case Stats() as stats:
            text, blocks = stats_view.text(stats), stats_view.classic(stats)
        case Coming() as coming:
            text, blocks = coming_view.asked(coming)
    return text, [*blocks, *_pages(answer), _foot(answer)]


def native(answer: Answer) -> Blocks | None:
    """The answer in blocks that only some Slacks take; None: there is nothing to draw."""
    if isinstance(answer.body, Stats) and answer.body.filed:
        return [*stats_view.native(answer.body), _foot(answer)]
    return None


def _foot(answer: Answer) -> Block:
    asked = f"`/audit {escape(one_line(answer.query.text, LONGEST)).replace('`', 'ˋ')}`"
    size, root = answer.head
    foot = f"{asked} · as of {when(answer.at)} · this query is an entry of the trail"
    seen = f"Considered: all {size:,} entries, up to #{size} · root {rebase64(root)}"
    return context(foot, seen)


def parse_page(value: object) -> Turn | None:
    """The Turn in a button's value; None for anything else, which somebody made up."""
    found = _TURN.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else Turn(found[3], int(found[1]), int(found[2]))


# --- the kinds of answers --------------------------------------------------------------------


def _help() -> Block:
    rows = (f"`{f'/audit {escape(e)}'.rstrip()}`  {escape(means)}" for e, means in HELP)
    return section("\n".join(rows) + "\nThey combine: `/audit state:vetoed since:30d`")


def _summary(found: Summary) -> tuple[str, Blocks]:
    counts = ", ".join(f"{n} {phase}" for phase, n in found.states)
    text = f"{_requests(found.filed)} filed in the last 7 days"
    said = [
        f"*{text}*" + (f": {counts}" if counts else ""),
        f"{found.vetoes} vetoed, {found.restores} restored in this time",
        f"*{found.open} open now*",
    ]
    blocks: Blocks = [section("\n".join(said)), *_lines(found.newest)]
    if (more := found.open - len(found.newest)) > 0:
        blocks.append(
            context(f"… and {more} more: `/audit state:open`, `/audit state:cooling-off`")
        )
    return text, blocks


def _life(life: Life, card: str | None) -> tuple[str, Blocks]:
    title = f"{life.line.id} · {_what(life.line)} · {life.line.state}"
    blocks: Blocks = [header(title)]
    if life.page.number == 1:
        facts = [f"*{name}*  {_words(said)}" for name, said in life.facts]
        if card is not None:
            facts.append(f"*card*  <{card}|in the channel>")
        elif life.card is not None:
            facts.append(f"*card*  in <#{life.card[0]}>")
        facts.append(f"*proof*  {_proof(life)}")
        blocks += _packed(facts)
    blocks += _packed([f"{when(s.at)} · {user(_name(s.by))} {_words(s.said)}" for s in life.steps])
    return escape(title), blocks


def _proof(life: Life) -> str:
    seq, leaf = life.newest
    return (
        f"its newest entry is #{seq}, leaf `{leaf.hex()[:16]}`…; an export holds"
        f" `{proof_name(life.line.id)}`: `nolone audit export DIR`, `nolone audit verify DIR`"
    )


def _lines(lines: Sequence[Line]) -> Blocks:
    return _packed([_line(line) for line in lines])


def _line(line: Line) -> str:
    parts = [
        f"*{line.id}*  {escape(_what(line))}",
        escape(line.tier),
        f"*{line.state}*",
        f"filed by {user(line.requester)} {when(line.filed_at)}",
    ]
    if line.ended_at is not None:
        parts.append(f"ended {when(line.ended_at)}")
    if line.undoes is not None:
        parts.append(f"undoes {line.undoes}")
    if line.restored_by is not None:
        parts.append(f"restored by {line.restored_by}")
    if line.away is not None:
        parts.append(f"away for {length(line.away)}")
    parts += [f"{DID[kind]} {when(at)}" for kind, at in line.did]
    return " · ".join(parts)


def _what(line: Line) -> str:
    handle = ERASED if line.handle is None else f"@{line.handle.removeprefix('@')}"
    return f"{ACTIONS[line.action].verb} {one_line(handle, 60)}"


def _pages(answer: Answer) -> Blocks:
    page = answer.page
    if page.of == 1:
        return []
    life = isinstance(answer.body, Life)
    back, on = ("Earlier", "Later") if life else ("Newer", "Older")
    buttons = []
    if page.number > 1:
        buttons.append(button(back, BEFORE, _turn(answer, page.number - 1)))
    if page.number < page.of:
        buttons.append(button(on, AFTER, _turn(answer, page.number + 1)))
    where = context(f"Page {page.number} of {page.of}")
    return [where, {"type": "actions", "elements": buttons}]


def _turn(answer: Answer, page: int) -> str:
    return f"{page}.{answer.query.asked}.{answer.query.text}"


# --- words -----------------------------------------------------------------------------------


def _requests(n: int) -> str:
    return f"{n} request{'' if n == 1 else 's'}"


def _name(id: str) -> str:
    return "the bot" if id == "worker" else id


def _words(said: Said) -> str:
    return "".join(_word(part) for part in said)


def _word(part: str | Who | When | Typed) -> str:
    match part:
        case Who(id):
            return user(_name(id))
        case When(ms):
            return when(ms)
        case Typed(text):
            return f"“{_fitting(one_line(text, _TYPED), _TYPED)}”"
        case str():
            return escape(part)


def _fitting(text: str, most: int) -> str:
    """`text` escaped, and cut before that where the escapes would make it too long."""
    while len(escaped := escape(text)) > most:
        text = text[: min(len(text) - 1, len(text) * most // len(escaped))]
    return escaped


def _packed(rows: Sequence[str]) -> Blocks:
    """Rows of mrkdwn in as few sections as hold them."""
    packed: list[str] = []
    for row in rows:
        if packed and len(packed[-1]) + 1 + len(row) <= SECTION_MOST:
            packed[-1] += f"\n{row}"
        else:
            packed.append(row)
    return [section(row) for row in packed]
