"""What the database holds of one subject, found so that it can be erased."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.store import drafts, ledger
from bot.store.tx import Tx

# the fields
STAYS = "identity"  # of what tells apart those who decided, and
QUERY = "query"  # of what was asked


class Several(Exception):
    """The name fits several subjects; the text lists them."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to erase, and under which names the subject goes."""

    subject: str | None  # `platform:id`; None: no request is about it
    names: frozenset[str]  # casefolded, without @
    requests: tuple[str, ...] = ()
    values: int = 0  # that stand sealed in them
    queries: tuple[int, ...] = ()  # the seq of the entries of those that name it
    drafts: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.requests or self.queries or self.drafts)

    def named_in(self, text: str) -> str | None:
        """The first of its names that stands in `text`."""
        hit = _naming(self.names).search(text.casefold())
        return None if hit is None else hit[0]


def find(tx: Tx, name: str) -> Found:
    """What is held of the subject that goes by `name`: `platform:id`, its id, or its handle.

    Raises Several. Where no request is about it, queries and drafts that name it are found yet.
    """
    subject = _subject(tx, name)
    names = {_bare(name)} if subject is None else _names(tx, subject)
    naming = _naming(names)
    requests = ()
    values = 0
    if subject is not None:
        rows = tx.query("SELECT id FROM requests WHERE subject = :s ORDER BY n", s=subject)
        requests = tuple(row["id"] for row in rows)
        (row,) = tx.query(f"SELECT count(*) AS n {_ITS_VALUES}", subject=subject, kept=STAYS)
        values = row["n"]
    return Found(
        subject=subject,
        names=frozenset(names),
        requests=requests,
        values=values,
        queries=tuple(sorted(set(_queries(tx, naming)))),
        drafts=tuple(_drafts(tx, naming)),
    )


def elsewhere(tx: Tx, found: Found) -> tuple[str, ...]:
    """The other streams whose values name the subject too: what people wrote in requests about
    somebody else, the policy, reasons in the trail's own stream. Every value is read."""
    naming = _naming(found.names)
    streams = dict.fromkeys(
        stream
        for stream, value in tx.each(
            f"SELECT e.stream, o.value {_VALUES} WHERE o.field NOT IN (:kept, :query) ORDER BY e.seq",
            kept=STAYS,
            query=QUERY,
        )
        if stream not in found.requests and _says(value, naming)
    )
    return tuple(streams)


def drop_drafts(tx: Tx, found: Found) -> None:
    for view_id in found.drafts:
        drafts.drop_draft(tx, view_id)


_VALUES = "FROM entries e JOIN openings o USING (seq)"
_ITS_VALUES = (
    "FROM requests r JOIN entries e ON e.stream = r.id JOIN openings o USING (seq)"
    " WHERE r.subject = :subject AND o.field <> :kept"
)


def _bare(name: str) -> str:
    return name.strip().removeprefix("@").casefold()


def _subject(tx: Tx, name: str) -> str | None:
    rows = tx.query(
        "SELECT subject, handle FROM requests WHERE subject <> '' AND (subject = :name"
        " OR substr(subject, instr(subject, ':') + 1) = :name OR handle IN (:bare, '@' || :bare))"
        " ORDER BY subject, n",
        name=name.strip(),
        bare=_bare(name),
    )
    newest = [*{row["subject"]: row for row in rows}.values()]
    exact = [row for row in newest if row["subject"] == name.strip()] or newest
    if len(exact) > 1:
        listed = "".join(f"\n  {row['subject']} (@{_bare(row['handle'])})" for row in exact)
        raise Several(f"{name} fits several accounts. Name one of them as here:{listed}")
    for row in exact:
        found: str = row["subject"]
        return found
    return None


def _names(tx: Tx, subject: str) -> set[str]:
    """Its ids, and every handle and display name under which it was looked up."""
    rows = tx.each(
        f"SELECT o.value {_ITS_VALUES} AND o.field IN ('snapshot', 'before', 'order')",
        subject=subject,
        kept=STAYS,
    )
    values = [json.loads(value) for (value,) in rows]
    given = {v.get(name) for v in values for name in ("handle", "display_name")} - {None}
    return {_bare(name) for name in (subject, subject.partition(":")[2], *given)} - {""}


def _naming(names: Iterable[str]) -> re.Pattern[str]:
    """Finds each of these as a word of its own: `7` in `account:7`, and neither in `17` nor in `R-7`."""
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{either})(?![\w-])")


def _queries(tx: Tx, naming: re.Pattern[str]) -> Iterator[int]:
    for seq, value in tx.each(
        f"SELECT e.seq, o.value {_VALUES} WHERE e.stream = :audit AND o.field = :query",
        audit=ledger.AUDIT,
        query=QUERY,
    ):
        if _says(value, naming):
            yield seq


def _drafts(tx: Tx, naming: re.Pattern[str]) -> Iterator[str]:
    for view_id, *said in tx.each("SELECT view_id, handle, found FROM drafts ORDER BY view_id"):
        if any(naming.search(text.casefold()) for text in said):
            yield view_id


def _says(value: str, naming: re.Pattern[str]) -> bool:
    """Whether one of the texts in a sealed value names it."""
    return any(naming.search(text.casefold()) for text in _texts(json.loads(value)))


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            for item in value.values():
                yield from _texts(item)
