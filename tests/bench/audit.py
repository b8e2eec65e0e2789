"""What `/audit` takes to answer, filter by filter, on a trail that `build` made.

Each question is put with many different values on a new connection (SQLite's own cache is empty;
what the system holds of the file it holds), then once more with the same ones. Timed is
`bot.audit.answer.answer` inside its transaction; the entry that records a query is not part of it.
Beside the time that passes stands the processor's (cpu), which other work on the machine lengthens less.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median

from bot.audit.answer import Answer, answer
from bot.audit.query import parse
from bot.core.request import Phase
from bot.store.sqlite import SqliteVisit
from bot.store.tx import Tx

from .build import build
from .population import AGENTS, BEGAN, DAY, LEGAL, PHRASES, POLICY, TRUST, VOCABULARY
from .rows import Size, percentile

VALUES = 200
FIRST, LAST, ANY = "first", "last", "any"  # pages


@dataclass(frozen=True)
class Case:
    """`questions` are endless; `page` is which page of the answers is asked for."""

    name: str
    questions: Iterator[str]
    page: str = FIRST


@dataclass(frozen=True)
class Answered:
    """A line of the table: ms."""

    name: str
    values: int  # different questions
    found: int  # on all pages: the median of the answers
    most_found: int
    first: Sequence[float]
    again: Sequence[float]
    worked: Sequence[float]  # by the processor, the second time
    most: float  # the target for the p99

    head = (
        f"{'/audit':<40} {'values':>6} {'found':>9} {'at most':>9} {'p50 first':>9} {'p99 first':>9}"
        f" {'p50 again':>9} {'p99 again':>9} {'  p99 cpu':>9}"
    )

    def __str__(self) -> str:
        times = [percentile(t, share) for t in (self.first, self.again) for share in (0.5, 0.99)]
        times.append(percentile(self.worked, 0.99))
        if max(times[1], times[3]) <= self.most:
            verdict = "met"
        else:
            verdict = "met by cpu only" if times[4] <= self.most else "MISSED"
        figures = " ".join(f"{t:>9.1f}" for t in times)
        return (
            f"{self.name:<40} {self.values:>6} {self.found:>9,} {self.most_found:>9,} {figures} ms"
            f"  p99 <= {self.most:g} {verdict}"
        )


class Values:
    """What may be asked of a trail that `build` made, drawn at random."""

    def __init__(self, tx: Tx, now: int, rng: random.Random) -> None:
        self._rng, self._now = rng, now
        ((self._requests,),) = tx.each("SELECT max(n) FROM requests")
        some = [rng.randint(1, self._requests) for _ in range(VALUES)]
        found = [
            next(tx.each("SELECT handle, subject FROM requests WHERE n = :n", n=n)) for n in some
        ]
        self._handles = [handle for handle, _ in found]
        self._subjects = [subject for _, subject in found]
        self._texts = [
            told.split('"what_happened":"')[1].split('"')[0].split()
            for n in some
            for (told,) in tx.each(
                "SELECT o.value FROM openings o JOIN entries e USING (seq)"
                " WHERE e.stream = :id AND o.field = 'grounds'",
                id=f"R-{n}",
            )
        ]
        busiest = "SELECT handle FROM requests GROUP BY handle ORDER BY count(*) DESC LIMIT :n"
        self._busiest = [handle for (handle,) in tx.each(busiest, n=VALUES)]

    def _draw(self, of: Sequence[str], form: str) -> Iterator[str]:
        """All of them in some order, and once more."""
        while True:
            yield from (form.format(value) for value in self._rng.sample(of, len(of)))

    def nothing(self) -> Iterator[str]:
        while True:
            yield ""

    def request(self) -> Iterator[str]:
        while True:
            yield f"R-{self._rng.randint(1, self._requests)}"

    def handle(self) -> Iterator[str]:
        return self._draw(self._handles, "account:@{}")

    def subject(self) -> Iterator[str]:
        return self._draw(self._subjects, "account:{}")

    def busiest(self) -> Iterator[str]:
        return self._draw(self._busiest, "account:@{}")

    def by(self) -> Iterator[str]:
        return self._draw(AGENTS, "by:{}")

    def reviewer(self) -> Iterator[str]:
        return self._draw([*TRUST, *LEGAL], "reviewer:{}")

    def state(self) -> Iterator[str]:
        return self._draw([p.replace(" ", "-") for p in Phase], "state:{}")

    def tier(self) -> Iterator[str]:
        return self._draw([t.name for t in POLICY.tiers], "tier:{}")

    def _instant(self, at: int) -> str:
        return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%MZ}"

    def since(self) -> Iterator[str]:
        while True:
            yield f"since:{self._instant(self._rng.randint(BEGAN, self._now))}"

    def until(self) -> Iterator[str]:
        while True:
            yield f"until:{self._instant(self._rng.randint(BEGAN + DAY, self._now))}"

    def span(self, days: int) -> Callable[[], Iterator[str]]:
        def spans() -> Iterator[str]:
            while True:
                at = self._rng.randint(BEGAN, self._now - days * DAY)
                yield f"since:{self._instant(at)} until:{self._instant(at + days * DAY)}"

        return spans

    def rare(self) -> Iterator[str]:
        return self._draw(VOCABULARY[-10_000:], '"{}"')

    def common(self) -> Iterator[str]:
        return self._draw([*VOCABULARY[:VALUES], *(w for p in PHRASES for w in p.split())], '"{}"')

    def unknown(self) -> Iterator[str]:
        return self._draw([f"{word}x" for word in VOCABULARY[:VALUES]], '"{}"')

    def phrase_of_common(self) -> Iterator[str]:
        """Two common words, seldom side by side."""
        while True:
            yield f'"{" ".join(self._rng.sample(VOCABULARY[:40], 2))}"'

    def rare_phrase(self) -> Iterator[str]:
        """Three words, side by side, of one request or a few."""
        return self._draw([" ".join(text[-3:]) for text in self._texts], '"{}"')

    def common_phrase(self) -> Iterator[str]:
        """Two to four words of a stock phrase, which every tenth request has."""
        parts = {
            " ".join(words[first : first + n])
            for words in (phrase.split() for phrase in PHRASES)
            for n in (2, 3, 4)
            for first in range(len(words) - n + 1)
        }
        return self._draw(sorted(parts), '"{}"')


def _both(*questions: Callable[[], Iterator[str]]) -> Iterator[str]:
    return (" ".join(parts) for parts in zip(*(q() for q in questions), strict=False))


def cases(values: Values) -> Iterator[Case]:
    v = values
    year, month = v.span(365), v.span(30)
    yield Case("a summary", v.nothing())
    yield Case("R-n", v.request())
    yield Case("account: a handle", v.handle())
    yield Case("account: platform:id", v.subject())
    yield Case("account: an id alone", (q.replace("demo:", "") for q in v.subject()))
    yield Case("account: the most filed on", v.busiest())
    yield Case("by:", v.by())
    yield Case("reviewer:", v.reviewer())
    yield Case("state:", v.state())
    yield Case("tier:", v.tier())
    yield Case("since:", v.since())
    yield Case("until:", v.until())
    yield Case("since: until: a year", year())
    yield Case("since: until: a month", month())
    yield Case("by: since:", _both(v.by, v.since))
    yield Case("by: state:", _both(v.by, v.state))
    yield Case("reviewer: state:", _both(v.reviewer, v.state))
    yield Case("reviewer: since: until: a month", _both(v.reviewer, month))
    yield Case("state: tier:", _both(v.state, v.tier))
    yield Case("state: since:", _both(v.state, v.since))
    yield Case("tier: since: until: a year", _both(v.tier, year))
    yield Case("account: state:", _both(v.busiest, v.state))
    yield Case(
        "by: reviewer: state: tier: since:", _both(v.by, v.reviewer, v.state, v.tier, v.since)
    )
    for page in (LAST, ANY):
        for name, questions in (
            ("by:", v.by),
            ("reviewer:", v.reviewer),
            ("state:", v.state),
            ("tier:", v.tier),
            ("since:", v.since),
        ):
            yield Case(f"{name} {page} page", questions(), page)
    yield Case("a rare word", v.rare())
    yield Case("a common word", v.common())
    yield Case("two common words", _both(v.common, v.common))
    yield Case("a word that nobody wrote", v.unknown())
    yield Case("a rare and a common word", _both(v.rare, v.common))
    yield Case("a rare phrase", v.rare_phrase())
    yield Case("a common phrase", v.common_phrase())
    yield Case("a phrase of common words", v.phrase_of_common())
    yield Case("a common word, reviewer:", _both(v.common, v.reviewer))
    yield Case("a common word, since: until: a month", _both(v.common, month))
    yield Case("a common word, by: state:", _both(v.common, v.by, v.state))
    yield Case("a common phrase, tier: since:", _both(v.common_phrase, v.tier, v.since))
    yield Case("a common word, last page", v.common(), LAST)


@dataclass(frozen=True)
class Timed:
    answer: Answer
    took: float  # ms
    worked: float  # ms of the processor's time


def _timed(visit: SqliteVisit, question: str, now: int, page: int) -> Timed:
    def script(tx: Tx) -> Timed:
        query = parse(question, now)
        began, worked = time.perf_counter(), time.thread_time()
        found = answer(tx, query, now, page)
        worked, took = time.thread_time() - worked, time.perf_counter() - began
        return Timed(found, took * 1000, worked * 1000)

    return visit.look(script)


def _ask(path: Path, case: Case, now: int, rng: random.Random, n: int, most: float) -> Answered:
    visit = SqliteVisit(path)
    asked: list[tuple[str, int]] = []
    for question in islice(case.questions, n):
        page = 1
        if case.page != FIRST:
            of = _timed(visit, question, now, 1).answer.page.of
            page = of if case.page == LAST else rng.randint(1, of)
        asked.append((question, page))
    visit.close()
    visit = SqliteVisit(path)
    first = [_timed(visit, question, now, page) for question, page in asked]
    again = [_timed(visit, question, now, page) for question, page in asked]
    visit.close()
    found = [one.answer.page.total for one in first]
    return Answered(
        case.name,
        len(set(asked)),
        int(median(found)),
        max(found),
        [one.took for one in first],
        [one.took for one in again],
        [one.worked for one in again],
        most,
    )


async def answers(size: Size, folder: Path) -> list[Answered]:
    path = size.database
    if path is None:
        folder.mkdir()
        path = folder / "nolone.db"
        build(size.asked, path)
    rng = random.Random(1)
    visit = SqliteVisit(path)
    ((entries, now),) = visit.look(
        lambda tx: list(tx.each("SELECT count(*), max(at) FROM entries"))
    )
    values = visit.look(lambda tx: Values(tx, now, rng))
    visit.close()
    most = 50.0 if entries <= 1_000_000 else 100.0
    return [_ask(path, case, now, rng, size.questions, most) for case in cases(values)]
