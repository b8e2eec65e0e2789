"""What may be asked of the trail, as people write it. Pure: a text and an instant in, a Query out."""

import datetime
import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields

from bot.core.duration import DAY, milliseconds
from bot.core.request import Phase
from bot.core.text import one_line
from bot.store.audit import Filters

LONGEST = 300  # characters of a query; a page's button has to carry it

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
    ("help", "this list"),
)
KEYS = tuple(f.name for f in fields(Filters))
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
}

_TOKEN = re.compile(r'(?:"[^"]*"|<[^<>]*>|[^\s"])+')
_QUOTES = str.maketrans("“”„", '"""')  # as phones write them
_SLACK = re.compile(r"<(?P<what>[^<>|]*)(?:\|(?P<label>[^<>]*))?>")  # its mentions and links
_MENTION = re.compile(r"<@(?P<id>[UW][A-Z0-9]{2,20})(?:\|[^<>]*)?>")
_PERSON = re.compile(r"[UW][A-Z0-9]{2,20}", re.IGNORECASE)
_REQUEST = re.compile(r"R-[1-9][0-9]{0,9}", re.IGNORECASE)
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?Z?)?", re.ASCII | re.IGNORECASE
)


class BadQuery(ValueError):
    """The text asks nothing that can be answered. The message says why, to whoever asked.

    It may quote what they typed: it is to be escaped like everything that people typed.
    """


@dataclass(frozen=True, slots=True)
class Query:
    """`request` or `filters` or neither: then, unless for `help`, for the summary."""

    text: str
    asked: int  # ms; what is relative is relative to it, and later requests are left out
    help: bool = False
    request: str | None = None
    filters: Filters = field(default_factory=Filters)


def parse(text: str, now: int) -> Query:
    """The query that `text` asks at `now` (ms). Raises BadQuery."""
    text = text.strip()
    values: dict[str, str] = {}
    requests: list[str] = []
    asks_help = False
    words = _words(text)
    for word in words:
        key, colon, value = word.partition(":")
        key = key.casefold()
        if not colon and key == "help":
            asks_help = True
        elif not colon and _REQUEST.fullmatch(word):
            requests.append(word.upper())
        elif not colon or key not in KEYS:
            raise BadQuery(_unknown(word, key, bool(colon)))
        elif key in values:
            raise BadQuery(f"{key}: is given twice. Give it once.")
        else:
            values[key] = value.replace('"', "")
            if not values[key].strip():
                raise BadQuery(f"{key}: has no value. For example: {_example(key)}.")
    if (asks_help or requests) and len(words) > 1:
        raise BadQuery(f"{_quoted(words[0])} and the rest: ask for one thing at a time.")
    filters = _filters(values, now)
    return Query(text, now, asks_help, requests[0] if requests else None, filters)


def _words(text: str) -> list[str]:
    if len(text) > LONGEST:
        raise BadQuery(f"That is longer than {LONGEST} characters.")
    for c in text:
        if unicodedata.category(c) in {"Cc", "Cs"} and not c.isspace():
            raise BadQuery(f"There is a character in it that nobody can type: U+{ord(c):04X}.")
    text = text.translate(_QUOTES)
    words = _TOKEN.findall(text)
    if _TOKEN.sub("", text).strip():
        raise BadQuery(
            'A quotation mark is opened and not closed. For example: state:"cooling off".'
        )
    return words


def _filters(values: dict[str, str], now: int) -> Filters:
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
    )


# --- values ----------------------------------------------------------------------------------


def _plain(value: str) -> str:
    """`value` without the escapes that Slack gave it."""
    return value.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _account(key: str, value: str) -> str:
    """A handle or an id. What Slack made of it, a mention or a link, is what was typed again."""

    def typed(found: re.Match[str]) -> str:
        what, label = found["what"], found["label"]
        if what.startswith("@"):
            if not label:
                raise BadQuery(
                    f"Slack took that for one of its members. Write the handle without @: {key}:handle."
                )
            return f"@{label}"
        return label or re.sub(r"^(?:https?://|mailto:)", "", what)

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


def _unknown(word: str, key: str, is_key: bool) -> str:
    """That `word` is not understood, and what is likely meant."""
    if word.startswith(("@", "<@")):
        return (
            f"Is {_quoted(word)} the account, or who filed? Write account:… or by:… in front of it."
        )
    if is_key:
        near = _MEANT.get(key) or _nearest(key, KEYS)
        meant = (
            f"Did you mean {near}:?" if near else f"Keys are: {', '.join(f'{k}:' for k in KEYS)}."
        )
        return f"There is no key {_quoted(key + ':')}. {meant}"
    states = {p.replace(" ", "-"): f"state:{p.replace(' ', '-')}" for p in Phase}
    known = {
        "help": "help",
        **{k: f"{k}:" for k in KEYS},
        **{k: f"{v}:" for k, v in _MEANT.items()},
    }
    offers = known | states
    if re.fullmatch(r"[Rr]?-?[1-9][0-9]{0,9}", word, re.ASCII):
        near = f"R-{word.lstrip('Rr-')}"
    else:
        near = offers.get(_nearest(key.replace("_", "-"), offers) or "")
    meant = f"Did you mean {near}?" if near else "Send help for what can be asked."
    return f"{_quoted(word)} is not understood. {meant}"


def _nearest(word: str, names: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(names), n=1, cutoff=0.6)), None)


def _quoted(text: str) -> str:
    return f"“{one_line(text, 40)}”"


def _example(key: str) -> str:
    return next(example for example, _ in HELP if example.startswith(f"{key}:"))
