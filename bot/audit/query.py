"""What may be asked of the trail, as people write it. Pure: a text and an instant in, a Query out."""

import datetime
import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum

from bot.core.duration import DAY, milliseconds
from bot.core.request import Phase
from bot.core.text import one_line
from bot.store import search
from bot.store.audit import Filters

FORMATS = ("jsonl", "csv", "tiles")
LONGEST = 300  # characters of a query; a page's button has to carry it
MOST = 100  # of limit:
SHORTEST = 3  # letters before *


class Ask(StrEnum):
    """What kind of answer is asked for. Those that people write as a word are KEYWORDS."""

    SUMMARY = "summary"
    REQUEST = "request"
    LIST = "list"
    MINE = "mine"
    STATS = "stats"
    VERIFY = "verify"
    EXPORT = "export"
    HELP = "help"


HELP: tuple[tuple[str, str], ...] = (
    ("", "a summary of the last 7 days, and what is still open"),
    ("R-12", "the whole life of one request"),
    ("account:@handle", "requests about an account: its handle, or its id"),
    ("by:@name", "requests that a person filed; a Slack user id works too"),
    ("reviewer:@name", "requests that a person approved, vetoed or settled"),
    ("state:vetoed", "requests in a state: " + ", ".join(p.replace(" ", "-") for p in Phase)),
    ("tier:standard", "requests under a tier of the policy"),
    ("since:7d", "filed since then: 7d, 24h, 30m, 2026-11-01 or 2026-11-01T10:00Z (UTC)"),
    ("until:2026-11-01", "filed until then; a date alone includes that day"),
    ("impersonation ticket", "requests in which both words occur, in any order and in any case"),
    (
        'words:"press office"',
        "requests in which a phrase occurs; in quotes, or after words:, anything is searched for,"
        ' also what alone would mean something else, such as "vetoed"',
    ),
    ("imperson*", "requests in which a word begins so"),
    ("limit:20", f"the newest so many at most, 1 to {MOST}"),
    ("mine", "what you filed or decided on; all agents and reviewers may ask that"),
    ("stats since:30d", "figures: how many, how fast, how they ended"),
    ("verify", "whether the trail is what it was"),
    ("export since:30d format:csv", "the trail as a file: " + ", ".join(FORMATS)),
    ("help", "this list"),
)
KEYS = (*(f.name for f in fields(Filters)), "limit", "format")
KEYWORDS = (Ask.HELP, Ask.MINE, Ask.STATS, Ask.VERIFY, Ask.EXPORT)
_TIMES = ("since", "until")
_TAKES: dict[Ask, tuple[str, ...]] = {  # the keys; the rest take all but format:
    Ask.HELP: (),
    Ask.REQUEST: (),
    Ask.VERIFY: (),
    Ask.STATS: _TIMES,
    Ask.EXPORT: (*_TIMES, "format"),
}
_MEANT = {  # what people may write instead, beyond what is spelled alike
    "from": "since",
    "handle": "account",
    "requester": "by",
    "filer": "by",
    "filed": "since",
    "approver": "reviewer",
    "status": "state",
    "phase": "state",
    "subject": "account",
    "to": "until",
    "user": "account",
    "text": "words",
    "max": "limit",
}

_FORMAT_OF = "format: is for export only. For example: export format:csv."
_SEARCH = "To search for it, put it in quotes."

_TOKEN = re.compile(r'(?:"[^"]*"|<[^<>]*>|[^\s"])+')
_QUOTES = str.maketrans("“”„", '"""')  # as phones write them
_SLACK = re.compile(r"<(?P<what>[^<>|]*)(?:\|(?P<label>[^<>]*))?>")  # its mentions and links
_MENTION = re.compile(r"<@(?P<id>[UW][A-Z0-9]{2,20})(?:\|[^<>]*)?>")
_PERSON = re.compile(r"[UW][A-Z0-9]{2,20}", re.IGNORECASE)
_REQUEST = re.compile(r"R-[1-9][0-9]{0,9}", re.ASCII | re.IGNORECASE)
_REQUEST_LIKE = re.compile(r"R[-–—_#]?0*([0-9]{1,10})", re.ASCII | re.IGNORECASE)
_KEY_LIKE = re.compile(r"[a-z_-]+:(?!//)", re.ASCII | re.IGNORECASE)
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?Z?)?", re.ASCII | re.IGNORECASE
)


class BadQuery(ValueError):
    """The text asks nothing that can be answered. The message says why, to whoever asked.

    It may quote what they typed: it is to be escaped like everything that people typed.
    """


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    asked: int  # ms; what is relative is relative to it, and later requests are left out
    ask: Ask = Ask.SUMMARY
    request: str | None = None  # with Ask.REQUEST
    filters: Filters = field(default_factory=Filters)
    limit: int | None = None
    format: str | None = None  # one of FORMATS, with Ask.EXPORT


@dataclass(slots=True)
class _Sorted:
    """The tokens of a text, by what they are."""

    keywords: list[Ask] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)  # by key
    bare: list[str] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)  # in quotes, or after words:


def parse(text: str, now: int) -> Query:
    """The query that `text` asks at `now` (ms). Raises BadQuery."""
    text = text.strip()
    tokens = _tokens(text)
    found = _sort(tokens)
    alone = len(found.bare) == 1 and not found.searched
    for token in found.bare:
        _refuse_what_means_something_else(token, alone)
    words = tuple(_word(token) for token in (*found.bare, *found.searched))
    ask = _asked_for(found, bool(words), tokens)
    values = found.values
    return Query(
        text=text,
        asked=now,
        ask=ask,
        request=found.requests[0] if found.requests else None,
        filters=_filters(values, words, now),
        limit=_limit(values["limit"]) if "limit" in values else None,
        format=_format(values["format"]) if "format" in values else None,
    )


def _sort(tokens: list[str]) -> _Sorted:
    found = _Sorted()
    for token in tokens:
        key, colon, value = token.partition(":")
        key = key.casefold()
        if token.startswith('"'):
            found.searched.append(token)
        elif colon and key in KEYS:
            if not value.replace('"', "").strip():
                raise BadQuery(f"{key}: has no value. For example: {_example(key)}.")
            if key == "words":
                found.searched.append(value)
            elif key in found.values:
                raise BadQuery(f"{key}: is given twice. Give it once.")
            else:
                found.values[key] = value.replace('"', "")
        elif key in KEYWORDS and not colon:
            found.keywords.append(Ask(key))
        elif _REQUEST.fullmatch(token):
            found.requests.append(token.upper())
        else:
            found.bare.append(token)
    return found


def _asked_for(found: _Sorted, searches: bool, tokens: list[str]) -> Ask:
    """The one thing that is asked for. Raises BadQuery for several, and for what it does not take."""
    things = [*found.keywords, *found.requests]
    if not things:
        if "format" in found.values:
            raise BadQuery(_FORMAT_OF)
        return Ask.LIST if found.values or searches else Ask.SUMMARY
    thing = things[0]
    if len(things) > 1:
        raise BadQuery(f"{thing} and {things[1]}: ask for one thing at a time.")
    ask = found.keywords[0] if found.keywords else Ask.REQUEST
    given = {*found.values, *(("words",) if searches else ())}
    if ask is not Ask.EXPORT and "format" in given:
        raise BadQuery(_FORMAT_OF)
    said = None
    if given - set(_TAKES.get(ask, KEYS)):
        only = ", ".join(f"{key}:" for key in _TAKES[ask])
        said = f"takes only {only} beside it" if only else "is asked for alone"
    elif tokens[0].casefold() != thing.casefold():
        said = "comes first"
    if said is not None:
        raise BadQuery(f'{thing} {said}. To search for the word, put it in quotes: "{thing}".')
    return ask


def _tokens(text: str) -> list[str]:
    if len(text) > LONGEST:
        raise BadQuery(f"That is longer than {LONGEST} characters.")
    for c in text:
        if unicodedata.category(c) in {"Cc", "Cs"} and not c.isspace():
            raise BadQuery(f"There is a character in it that nobody can type: U+{ord(c):04X}.")
    text = text.translate(_QUOTES)
    tokens = _TOKEN.findall(text)
    if _TOKEN.sub("", text).strip():
        raise BadQuery(
            'A quotation mark is opened and not closed. For example: state:"cooling off".'
        )
    return tokens


def _filters(values: dict[str, str], words: tuple[str, ...], now: int) -> Filters:
    def read(key: str, reader: Callable[[str, str], str]) -> str | None:
        return reader(key, values[key]) if key in values else None

    since = _instant("since", values["since"], now) if "since" in values else None
    until = _instant("until", values["until"], now) if "until" in values else None
    if since is not None and until is not None and since >= until:
        raise BadQuery("since: is not before until:, so nothing can be between them.")
    return Filters(
        account=read("account", _account),
        by=read("by", _person),
        reviewer=read("reviewer", _person),
        state=_state(values["state"]) if "state" in values else None,
        tier=read("tier", lambda _, value: _plain(value)),
        since=since,
        until=until,
        words=words,
    )


# --- values ----------------------------------------------------------------------------------


def _plain(value: str) -> str:
    """`value` without the escapes that Slack gave it."""
    return value.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _word(token: str) -> str:
    """A word or phrase to search for, as it was typed."""
    word = " ".join(_plain(_SLACK.sub(_as_typed, token.replace('"', ""))).split())
    folded = search.fold(word)
    if not folded:
        raise BadQuery(f"There is neither a letter nor a digit to search for in {_quoted(token)}.")
    if word.endswith("*") and len(folded.split()[-1]) < SHORTEST:
        raise BadQuery(f"Before * there have to be at least {SHORTEST} letters: {_quoted(token)}.")
    return word


def _as_typed(found: re.Match[str]) -> str:
    """What somebody typed, of what Slack made of it."""
    what, label = found["what"], found["label"]
    if what[:1] in {"@", "#"} and label:
        return f"{what[0]}{label}"
    return label or what.removeprefix("mailto:")


def _limit(value: str) -> int:
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) and 1 <= int(value) <= MOST:
        return int(value)
    raise BadQuery(f"limit: takes a number from 1 to {MOST}; {_quoted(value)} is none.")


def _format(value: str) -> str:
    wanted = value.strip().casefold()
    if wanted in FORMATS:
        return wanted
    near = _nearest(wanted, FORMATS)
    meant = f"Did you mean format:{near}?" if near else f"Formats are: {', '.join(FORMATS)}."
    raise BadQuery(f"There is no format {_quoted(value)}. {meant}")


def _account(key: str, value: str) -> str:
    """A handle or an id. What Slack made of it, a mention or a link, is what was typed again."""

    def typed(found: re.Match[str]) -> str:
        if found["what"].startswith("@") and not found["label"]:
            raise BadQuery(
                f"Slack took that for one of its members. Write the handle without @: {key}:handle."
            )
        return re.sub(r"^https?://", "", _as_typed(found))

    account = _plain(_SLACK.sub(typed, value))
    if not account.removeprefix("@"):
        raise BadQuery(f"{key}: has no value. For example: {_example(key)}.")
    return account


def _person(key: str, value: str) -> str:
    """A Slack user id."""
    value = value.strip()
    if mention := _MENTION.fullmatch(value):
        return mention["id"]
    if _PERSON.fullmatch(value):
        return value.upper()
    raise BadQuery(
        f"{key}: takes a person of this workspace, and {_quoted(value)} is none. Choose the name from"
        f" the list that opens when you type @, or give the Slack user id: {key}:U0123ABCD."
    )


def _state(value: str) -> Phase:
    wanted = " ".join(value.casefold().replace("-", " ").replace("_", " ").split())
    for phase in Phase:
        if phase == wanted:
            return phase
    names = [p.replace(" ", "-") for p in Phase]
    near = _nearest(wanted.replace(" ", "-"), names)
    meant = f"Did you mean state:{near}?" if near else f"States are: {', '.join(names)}."
    raise BadQuery(f"There is no state {_quoted(value)}. {meant}")


def _instant(key: str, value: str, now: int) -> int:
    """The instant (ms) that is meant: an age, a date, or a date with a time, in UTC."""
    value = value.strip()
    if (found := _INSTANT.fullmatch(value)) is None:
        try:
            return now - milliseconds(value)
        except ValueError as e:
            raise BadQuery(
                f"{key}: takes an age such as 7d, 24h or 30m, or a date or time in UTC such as"
                f" 2026-11-01 or 2026-11-01T10:00Z; {_quoted(value)} is neither."
            ) from e
    try:
        year, month, day, hour, minute, second = (int(n or 0) for n in found.groups())
        at = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError as e:
        raise BadQuery(f"{key}: {_quoted(value)} is not in the calendar.") from e
    ms = round(at.timestamp()) * 1000
    return ms + DAY if key == "until" and found[4] is None else ms


# --- suggestions -----------------------------------------------------------------------------


def _refuse_what_means_something_else(token: str, alone: bool) -> None:
    """Raise BadQuery where a bare word is far likelier a slip than a search.

    That is: a name with @, what looks like a key or a request id, and, as the only word (`alone`),
    a number or anything that is a keyword, a key or a state, or is one slip of the hand from it.
    """
    if token.startswith(("@", "<@")):
        raise BadQuery(
            f"Is {_quoted(token)} the account, or who filed? Write account:… or by:… in front of it,"
            " or words:… to search for it."
        )
    near: str | None = None
    if _KEY_LIKE.match(token):
        key = token.partition(":")[0].casefold()
        meant = _MEANT.get(key) or _nearest(key, KEYS)
        said = (
            f"Did you mean {meant}:?" if meant else f"Keys are: {', '.join(f'{k}:' for k in KEYS)}."
        )
        raise BadQuery(f"There is no key {_quoted(key + ':')}. {said} {_SEARCH}")
    if like := _REQUEST_LIKE.fullmatch(token) or (
        alone and re.fullmatch(r"0*([0-9]{1,10})", token)
    ):
        near = f"R-{int(like[1])}" if int(like[1]) else "R-1"
    elif alone:
        near = _slipped_from(token.casefold().replace("_", "-"))
    if near is not None:
        raise BadQuery(f"{_quoted(token)} is not understood. Did you mean {near}? {_SEARCH}")


def _slipped_from(word: str) -> str | None:
    offers = {
        **{k.value: k.value for k in KEYWORDS},
        **{p.replace(" ", "-"): f"state:{p.replace(' ', '-')}" for p in Phase},
        **{k: f"{k}:" for k in KEYS},
        **{k: f"{v}:" for k, v in _MEANT.items()},
    }
    slips = (meant for name, meant in offers.items() if _slipped(word, name))
    return offers.get(word) or next(slips, None)


def _slipped(word: str, name: str) -> bool:
    """Whether two letters of `name` were swapped or, where it is long enough to be told from other
    words, one was changed, dropped or added."""
    start = next((i for i, (a, b) in enumerate(zip(word, name, strict=False)) if a != b), None)
    if start is None:
        start = min(len(word), len(name))
    typed, wanted = word[start:], name[start:]
    if typed[:2] == wanted[1::-1] and typed[2:] == wanted[2:]:
        return True
    return len(name) > 4 and (typed[1:] == wanted[1:] or typed[1:] == wanted or typed == wanted[1:])


def _nearest(word: str, names: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(names), n=1, cutoff=0.6)), None)


def _quoted(text: str) -> str:
    return f"“{one_line(text, 40)}”"


def _example(key: str) -> str:
    shown = (re.search(rf"\b{key}:(?:\"[^\"]*\"|\S+)", example) for example, _ in HELP)
    return next(found[0] for found in shown if found)
