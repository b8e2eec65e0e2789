"""The words that a request is found by: what people typed of it, and what its subject is called.

`words` holds one text for each request, folded; the full-text index over it is sqlite-utils', kept in
step by triggers. Only what somebody typed, or a platform answered, costs anything: an approval has no
words. What is erased is no longer found: see `rewrite`.
"""

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence

from sqlite_utils import Database

from bot.ledger.entry import Opening
from bot.store.tx import Tx

TABLE = "words"
TOKENIZER = "unicode61 remove_diacritics 2"
_FIELDS = {  # of the values that are sealed in events: which of their members are words
    "grounds": ("what_happened", "clause", "ticket", "evidence"),
    "reason": ("text",),
    "snapshot": ("handle", "display_name"),
    "subject": ("platform", "id"),
    "why": ("text",),
}
# Stands between two texts and counts as a word, so that no phrase is found across them. It is of
# Unicode's private use, and taken out of whatever is typed.
_BETWEEN = " \ue000 "
_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_WORDS = f"field IN ({', '.join(repr(field) for field in _FIELDS)})"
_PUT = (
    "INSERT INTO words (n, text) VALUES (:n, :text)"
    " ON CONFLICT (n) DO UPDATE SET text = text || :between || :text"
)


def fold(text: str) -> str:
    """`text` as it is indexed and searched for, whatever its case, width or invisible marks.

    Accents are left to the tokenizer. Chinese and Japanese, written without spaces, come apart into
    characters, so that a word in the midst of a sentence is found as a phrase.
    """
    if text.isascii():
        return text.casefold()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    seen = "".join(c for c in folded if unicodedata.category(c) not in {"Cf", "Co"})
    return _UNSPACED.sub(r" \g<0> ", seen)


def match(words: Iterable[str]) -> str:
    """The FTS5 query for all of `words`, each a word or a phrase. Nothing in them is syntax."""
    return " AND ".join('"{}"'.format(fold(word).replace('"', '""')) for word in words)


def put(tx: Tx, id: str, openings: Sequence[Opening]) -> None:
    """Index what is sealed in a new event of a request."""
    told = sorted((o.field, o.value) for o in openings if o.field in _FIELDS)
    texts = [_text(field, value) for field, value in told]
    if texts:
        tx.execute(_PUT, n=_number(id), text=_BETWEEN.join(texts), between=_BETWEEN)


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
        tx.execute(_PUT, n=_number(id), text=text, between=_BETWEEN)


def set_up(connection: sqlite3.Connection) -> None:
    """Index the entries that are there already."""
    kept = connection.execute(
        f"SELECT stream, field, value FROM openings CROSS JOIN entries USING (seq)"  # noqa: S608
        f" WHERE {_WORDS} AND stream GLOB 'R-*' ORDER BY seq, field"
    )
    connection.executemany(
        _PUT,
        (
            {"n": _number(id), "text": _text(field, value), "between": _BETWEEN}
            for id, field, value in kept
        ),
    )
    Database(connection).table(TABLE).enable_fts(["text"], tokenize=TOKENIZER, create_triggers=True)
    # what the index holds, to be compared with what it should
    connection.execute("CREATE VIRTUAL TABLE words_held USING fts5vocab(words_fts, instance)")


def _number(id: str) -> int:
    return int(id.removeprefix("R-"))


def _text(field: str, value: str) -> str:
    """The words in the canonical text of a sealed value."""
    said = json.loads(value)
    found: list[str] = []
    for member in _FIELDS[field]:
        text = said[member]
        found += text if isinstance(text, list) else [text] if text else []
    return _BETWEEN.join(fold(text) for text in found)
