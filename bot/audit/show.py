"""Answers on the command line: plain text, instants in UTC."""

from collections.abc import Iterable, Sequence

from bot.audit.answer import Answer, Help, Life, Line, Nothing, Requests, Summary
from bot.audit.folder import proof_name
from bot.audit.life import DID, ERASED, Said, Typed, When, Who, length
from bot.audit.query import HELP
from bot.audit.stats import NOTES, Stats, figures, sentence
from bot.audit.watching import Verify
from bot.core.text import one_line, utc, visible
from bot.ledger.note import rebase64

PAGE_SIZE = 50
_MOST = 4_000  # characters of what somebody typed


def text(answer: Answer) -> str:
    """`answer` for a terminal: whatever could steer one is shown by its number."""
    match answer.body:
        case Help():
            return "\n".join(_columns((f"nolone audit show {e}".rstrip(), m) for e, m in HELP))
        case Nothing(id):
            lines = [f"There is no request {id}."]
        case Summary() as summary:
            lines = _summary(summary)
        case Requests(lines=found, page=page, more=more, states=states):
            counts = ", ".join(f"{n} {phase}" for phase, n in states)
            lines = [
                _how_many(page.total, more) + (f": {counts}" if counts else ""),
                *_table(found),
            ]
        case Life() as life:
            lines = _life(life)
        case Verify():
            return "On the command line it is `nolone audit verify`."
        case Stats() as stats:
            lines = _stats(stats)
    return "\n".join([*lines, *_pages(answer), considered(answer)])


def considered(answer: Answer) -> str:
    size, root = answer.head
    return f"considered: all {size} entries, up to #{size} · root {rebase64(root)}"


def _how_many(n: int, more: bool) -> str:
    if more:
        return f"the newest {n} of more requests (older ones by until:)"
    return f"{n} request{'' if n == 1 else 's'}"


def _summary(found: Summary) -> list[str]:
    counts = ", ".join(f"{n} {phase}" for phase, n in found.states)
    lines = [
        f"since {utc(found.since)}",
        f"filed     {found.filed}" + (f": {counts}" if counts else ""),
        f"vetoes    {found.vetoes}",
        f"restores  {found.restores}",
        f"open now  {found.open}",
        *_table(found.newest),
    ]
    more = found.open - len(found.newest)
    return lines + ([f"… and {more} more, by state:open, state:cooling-off, …"] if more else [])


def _life(life: Life) -> list[str]:
    (line,) = _table([life.line])
    steps = [(utc(s.at), _person(s.by), words(s.said)) for s in life.steps]
    facts = [(name, words(said)) for name, said in life.facts]
    if life.card is not None:
        facts.append(("card", "channel {}, message {}".format(*life.card)))
    facts.append(("proof", proof(life)))
    return [line, *(f"  {row}" for row in _columns(facts)), *_columns(steps)]


def proof(life: Life) -> str:
    """Where the proof of a request is, and how it is come by."""
    seq, leaf = life.newest
    return (
        f"its newest entry is #{seq}, leaf {leaf.hex()[:16]}…; an export holds"
        f" {proof_name(life.line.id)}: nolone audit export DIR, nolone audit verify DIR"
    )


def _stats(found: Stats) -> list[str]:
    phases = [phase for phase, _ in found.states]
    head = ("tier", "filed", *phases, "approved within 10 s")
    rows = [head]
    for tier in found.tiers:
        states = dict(tier.states)
        counts = (tier.filed, *(states.get(phase, 0) for phase in phases))
        name = one_line(tier.name, 60)
        rows.append((name, *map(str, counts), f"{tier.hasty} of {tier.approved}"))
    return [
        f"{sentence(found)}, from {utc(found.since)} to {utc(found.until)}",
        "",
        *_columns((name.lower(), said) for name, said in figures(found)),
        "",
        *((*_columns(rows), "") if found.tiers else ()),
        *NOTES,
    ]


def _table(lines: Sequence[Line]) -> list[str]:
    return _columns((line.id, line.action, *_line(line)) for line in lines)


def _line(line: Line) -> tuple[str, ...]:
    handle = ERASED if line.handle is None else f"@{line.handle.removeprefix('@')}"
    ended = f"filed {utc(line.filed_at)}"
    if line.ended_at is not None:
        ended += f", ended {utc(line.ended_at)}"
    if line.undoes is not None:
        ended += f", undoes {line.undoes}"
    if line.restored_by is not None:
        ended += f", restored by {line.restored_by}"
    if line.away is not None:
        ended += f", away for {length(line.away)}"
    for kind, at in line.did:
        ended += f", {DID[kind]} {utc(at)}"
    return one_line(handle, 100), line.tier, line.state, f"by {_person(line.requester)}", ended


def words(said: Said) -> str:
    """What is said, on one line of plain text."""
    return "".join(_word(part) for part in said)


def _word(part: str | Who | When | Typed) -> str:
    match part:
        case Who(id):
            return _person(id)
        case When(ms):
            return utc(ms)
        case Typed(typed):
            return f"“{one_line(typed, _MOST)}”"
        case str():
            return visible(part).replace("\n", " ")


def _person(id: str) -> str:
    return "the bot" if id == "worker" else one_line(id, 60)


def _pages(answer: Answer) -> list[str]:
    page = answer.page
    if page.of == 1:
        return []
    more = f"; the next: --page {page.number + 1}" if page.number < page.of else ""
    return [f"page {page.number} of {page.of}{more}"]


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows with their columns aligned, the last one as long as it is."""
    table = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
