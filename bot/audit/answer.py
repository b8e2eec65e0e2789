"""Answers to what is asked of the trail: plain values, times in ms, for Slack and the command line."""

from dataclasses import dataclass
from typing import NamedTuple

from bot.audit.coming import Coming
from bot.audit.life import Said, Step, facts, steps
from bot.audit.query import FORMATS, Ask, BadQuery, Query
from bot.audit.stats import STATS_OF, Stats, stats
from bot.audit.watching import Verify
from bot.core.actions import ActionKind, Outcome
from bot.core.duration import DAY
from bot.core.request import Phase, Request
from bot.store import audit, ledger, outbox
from bot.store.audit import Head
from bot.store.tx import Tx

PAGE_SIZE = 8  # of what is listed at once in Slack
MOST = 1_000  # of what is listed in all
SUMMARY_OF = 7 * DAY


class Page(NamedTuple):
    """Which page of how many, counted from 1, and how much there is on all of them."""

    number: int
    of: int
    total: int


@dataclass(frozen=True, slots=True)
class Line:
    """A request, told in one line."""

    id: str
    action: ActionKind
    handle: str | None  # as in the newest look-up; None: erased
    tier: str
    requester: str
    state: Phase
    filed_at: int
    ended_at: int | None
    undoes: str | None
    restored_by: str | None  # the restore that came next and was executed
    away: int | None = None  # ms from the one to the other, where both were seen
    did: tuple[
        tuple[str, int], ...
    ] = ()  # the kinds of what the person asked for did to it, and when


@dataclass(frozen=True, slots=True)
class Help:
    """What can be asked: bot.audit.query.HELP."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is no such request."""

    id: str


@dataclass(frozen=True, slots=True)
class Summary:
    since: int
    filed: int  # since then, and of these
    states: tuple[tuple[Phase, int], ...]  # how many are in which state now
    vetoes: int  # given since then
    restores: int  # executed since then
    open: int  # now, whenever they were filed,
    newest: tuple[Line, ...]  # and the newest of them


@dataclass(frozen=True, slots=True)
class Requests:
    lines: tuple[Line, ...]
    page: Page  # its total: how many are listed
    more: bool  # there are older ones, beyond the limit
    states: tuple[tuple[Phase, int], ...]  # how many of those listed are in which state


class Newest(NamedTuple):
    """A request's newest entry, of which an export holds the proof."""

    seq: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Life:
    """The whole life of a request, as a story; a page is one of its steps."""

    line: Line
    facts: tuple[tuple[str, Said], ...]
    steps: tuple[Step, ...]
    page: Page
    newest: Newest
    card: tuple[str, str] | None  # in Slack: its channel and ts


Body = Help | Nothing | Summary | Requests | Life | Verify | Stats | Coming


@dataclass(frozen=True, slots=True)
class Answer:
    query: Query
    at: int  # as of when
    body: Body
    head: Head  # of all entries that were considered

    @property
    def page(self) -> Page:
        return self.body.page if isinstance(self.body, Requests | Life) else Page(1, 1, self.named)

    @property
    def asked(self) -> str:
        """What was asked, for the entry."""
        return self.query.text + (f" (page {self.page.number})" if self.page.number > 1 else "")

    @property
    def named(self) -> int:
        """How many requests it names."""
        match self.body:
            case Help() | Nothing() | Verify() | Stats() | Coming():
                return 0
            case Summary(newest=lines) | Requests(lines=lines):
                return len(lines)
            case Life():
                return 1


def answer(
    tx: Tx,
    query: Query,
    now: int,
    page: int = 1,
    page_size: int = PAGE_SIZE,
    by: str | None = None,
) -> Answer:
    """What `query` is answered as of `now` (ms), to the person `by` in Slack, if it is one. A page
    beyond the last is the last.

    Raises BadQuery for what is not answered.
    """
    return Answer(query, now, _body(tx, query, now, page, page_size, by), audit.head(tx))


def _body(tx: Tx, query: Query, now: int, page: int, page_size: int, by: str | None) -> Body:
    match query.ask:
        case Ask.HELP:
            return Help()
        case Ask.REQUEST:
            assert query.request is not None
            return _life(tx, query.request, now, page, page_size)
        case Ask.SUMMARY:
            return _summary(tx, now, page_size)
        case Ask.LIST:
            return _requests(tx, query, now, page, page_size)
        case Ask.VERIFY:
            return Verify()
        case Ask.MINE:
            if by is None:
                raise BadQuery(
                    "mine is for people in Slack. Name the person: by:U0123ABCD for what they filed,"
                    " reviewer:U0123ABCD for what they decided on."
                )
            return _requests(tx, query, now, page, page_size, by)
        case Ask.STATS:
            return _stats(tx, query, now)
        case Ask.EXPORT:
            return Coming(query.format or FORMATS[0])


def _requests(
    tx: Tx, query: Query, now: int, page: int, page_size: int, mine: str | None = None
) -> Requests:
    most = MOST if query.limit is None else query.limit
    ids = audit.find(tx, query.filters, now, query.asked, most + 1, mine)
    shown = _page(page, min(len(ids), most), page_size)
    first = (shown.number - 1) * page_size
    whose = mine or query.filters.reviewer or query.filters.by
    listed = ids[:most]
    lines = tuple(_line(tx, id, now, whose) for id in listed[first : first + page_size])
    states = audit.states_of(tx, listed, now)
    return Requests(lines, shown, len(ids) > most, tuple(states.items()))


def _summary(tx: Tx, now: int, page_size: int) -> Summary:
    since = now - SUMMARY_OF
    found = audit.states(tx, since, now)
    still_open, newest = audit.still_open(tx, page_size)
    return Summary(
        since=since,
        filed=sum(found.values()),
        states=tuple(found.items()),
        vetoes=audit.vetoes(tx, since),
        restores=audit.restores(tx, since),
        open=still_open,
        newest=tuple(_line(tx, id, now) for id in newest),
    )


def _stats(tx: Tx, query: Query, now: int) -> Stats:
    since, until = query.filters.since, query.filters.until
    until = query.asked + 1 if until is None else until
    return stats(tx, until - STATS_OF if since is None else since, until, now)


def _life(tx: Tx, id: str, now: int, page: int, page_size: int) -> Life | Nothing:
    request = ledger.request(tx, id)
    if request is None:
        return Nothing(id)
    told = steps(tx, id)
    shown = _page(page, len(told), page_size)
    first = (shown.number - 1) * page_size
    return Life(
        line=_described(tx, request, now),
        facts=facts(request),
        steps=told[first : first + page_size],
        page=shown,
        newest=Newest(*audit.newest(tx, id)),
        card=outbox.post(tx, f"{id}/card"),
    )


def _page(number: int, total: int, size: int) -> Page:
    of = max(1, -(-total // size))
    return Page(min(max(number, 1), of), of, total)


def _line(tx: Tx, id: str, now: int, whose: str | None = None) -> Line:
    request = ledger.request(tx, id)
    assert request is not None  # it is in the index, so it is in the ledger
    return _described(tx, request, now, whose)


def _described(tx: Tx, request: Request, now: int, whose: str | None = None) -> Line:
    known, ending = request.known.value, request.ending
    restore = audit.restored_by(tx, request.id)
    away = None
    if restore is not None and ending is not None and ending.outcome is not Outcome.UNKNOWN:
        away = restore.at - ending.at
    return Line(
        id=request.id,
        action=request.action,
        handle=None if known is None else known.handle,
        tier=request.pinned.tier,
        requester=request.requester,
        state=request.phase(now),
        filed_at=request.filed_at,
        ended_at=None if ending is None else ending.at,
        undoes=request.undoes,
        restored_by=None if restore is None else restore.id,
        away=away,
        did=() if whose is None else audit.did(tx, whose, request.id),
    )
