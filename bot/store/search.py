"""The words that a request is found by: what people typed of it, and what its subject is called.

`words` holds one text for each request: its words in lower case, each between two spaces. On SQLite
the full-text index over it is sqlite-utils', kept in step by triggers; on PostgreSQL it is one over the
words as they are, which no dictionary has changed. Only what somebody typed, or a
platform answered, costs anything: an approval has no words. What is erased is no longer found: see
`rewrite`.
"""

import json
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlite_utils import Database

from bot.ledger.entry import Opening
from bot.store.tx import Tx

TABLE = "words"
INDEX = {  # where to look words up, by what, and the number of what is found
    "sqlite": ("words_fts d", "d.words_fts MATCH :match", "d.rowid"),
    "postgres": ("words w", "words_of(w.text) @@ CAST(:match AS tsquery)", "w.n"),
}
LONGEST = 200  # characters of a word that PostgreSQL's index tells apart
TOKENIZER = "ascii"  # what `fold` left is parted by spaces, and nothing else is left to do
_TEXTS: dict[str, Callable[[Any], Sequence[str | None]]] = {  # in the sealed values of events
    "grounds": lambda v: (v["what_happened"], v["clause"], v["ticket"], *v["evidence"]),
    "reason": lambda v: (v["text"],),
    "snapshot": lambda v: (v["handle"], v["display_name"]),
    "subject": lambda v: (f"{v['platform']}:{v['id']}",),
    "why": lambda v: (v["text"],),
}
FIELDS = frozenset(_TEXTS)
# Stands between two texts and counts as a word, so that no phrase is found across them. It is of
# Unicode's private use, and `fold` leaves none of that.
_BETWEEN = "\ue000"
_PARTING = {n: " " for n in range(128) if not chr(n).isalnum()}
_ACCENTS = dict.fromkeys(range(0x300, 0x370))
_WORDS = f"field IN ({', '.join(repr(field) for field in _TEXTS)})"
_PUT = (
    "INSERT INTO words (n, text) VALUES (:n, :text)"
    " ON CONFLICT (n) DO UPDATE SET text = words.text || '\ue000' || :text"  # _BETWEEN
)


def fold(text: str) -> str:
    """The words of `text`, parted by single spaces, whatever their case, width, accents, or marks
    that nobody sees.

    Chinese and Japanese, written without spaces, come apart into characters, so that a word in the
    midst of a sentence is found as a phrase.
    """
    if text.isascii():
        return " ".join(text.casefold().translate(_PARTING).split())
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFKD", text).translate(_ACCENTS)
    return " ".join("".join(map(_place, unicodedata.normalize("NFC", text))).split())


def _place(c: str) -> str:
    if c.isascii():
        return c if c.isalnum() else " "
    category = unicodedata.category(c)
    if category == "Cf":
        return ""
    if category[0] not in "LMN":
        return " "
    return f" {c} " if _unspaced(c) else c


def _unspaced(c: str) -> bool:
    return (
        "\u3040" <= c <= "\u30ff"
        or "\u3400" <= c <= "\u9fff"
        or "\uf900" <= c <= "\ufaff"
        or "\U00020000" <= c <= "\U0003ffff"
    )


def _fts5(words: Iterable[str]) -> str:
    """The FTS5 query for all of `words`, each a word or a phrase; one that ends in `*` need only
    begin so. Nothing in them is syntax."""
    return " AND ".join(f'"{fold(word)}"{"*" if word.endswith("*") else ""}' for word in words)


def _tsquery(words: Iterable[str]) -> str:
    """The same for PostgreSQL, but for the order of the words in a phrase. Nothing that `fold` leaves
    is syntax."""
    lexemes = [
        f"'{one[:LONGEST]}'{':*' if one is of_it[-1] and word.endswith('*') else ''}"
        for word in words
        for of_it in [fold(word).split()]
        for one in of_it
    ]
    return " & ".join(lexemes)


MATCH = {"sqlite": _fts5, "postgres": _tsquery}


def within(words: Iterable[str]) -> Iterator[str]:
    """What the text of a request contains of which `match` is true."""
    for word in words:
        yield f" {fold(word)}{'' if word.endswith('*') else ' '}"


def put(tx: Tx, id: str, openings: Sequence[Opening]) -> None:
    """Index what is sealed in a new event of a request."""
    told = sorted((o.field, o.value) for o in openings if o.field in _TEXTS)
    if told:
        text = _BETWEEN.join(_text(field, value) for field, value in told)
        tx.send(_PUT, n=_number(id), text=text)


def rewrite(tx: Tx, id: str) -> None:
    """Index what is still kept of a request, after some or all of it was erased."""
    kept = tx.each(
        f"SELECT field, value FROM entries JOIN openings USING (seq)"  # noqa: S608 - ours, above
        f" WHERE stream = :id AND {_WORDS} ORDER BY seq, field",
        id=id,
    )
    text = _BETWEEN.join(_text(field, value) for field, value in kept)
    tx.execute("DELETE FROM words WHERE n = :n", n=_number(id))
    if text:
        tx.send(_PUT, n=_number(id), text=text)


def rebuild(db: Database) -> None:
    """Make the full-text index anew. Until SQLite 3.42, what left a text stays in its blocks."""
    db.table(TABLE).rebuild_fts()


def set_up(connection: sqlite3.Connection) -> None:
    """Index the entries that are there already."""
    kept = connection.execute(
        f"SELECT stream, field, value FROM openings CROSS JOIN entries USING (seq)"  # noqa: S608
        f" WHERE {_WORDS} AND stream GLOB 'R-*' ORDER BY seq, field"
    )
    connection.executemany(
        _PUT, ({"n": _number(id), "text": _text(field, value)} for id, field, value in kept)
    )
    Database(connection).table(TABLE).enable_fts(["text"], tokenize=TOKENIZER, create_triggers=True)
    # what the index holds, to be compared with what it should
    connection.execute("CREATE VIRTUAL TABLE words_held USING fts5vocab(words_fts, instance)")


def _number(id: str) -> int:
    return int(id.removeprefix("R-"))


def _text(field: str, value: str) -> str:
    """The words in the canonical text of a sealed value."""
    texts = _TEXTS[field](json.loads(value))
    return _BETWEEN.join(f" {fold(text)} " for text in texts if text)
