"""Reads ledger, platform and Slack after a run, and says what must never be.

It shares no rule with the bot: who may do what, how many it takes and how long it waits are written
down here once more, and the people's identities and the times are the true ones, of the journal.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.platform import OWN_HANDLE, Effect
from bot.sandbox.slack.records import Message

from .clients import AGENTS, BOTH, COOL_OFF, IN_GROUP, LEGAL, OPEN_FOR, REVIEW, address
from .journal import Act, Journal
from .replica import FRESH_FOR

TOLERANCE = 50  # ms between two readings of clocks on one machine
HEARD_LATE = FRESH_FOR + 2_000 + 500  # ms for which it may not be known that somebody left
WORKER = "worker"
ACTS = {
    "file": "Filed",
    "restore_filed": "Filed",
    "restore": "Filed",
    "approve": "Approved",
    "veto": "Vetoed",
    "withdraw": "Withdrawn",
    "retract": "Retracted",
}
ENDS = {
    "Vetoed": "Vetoed",
    "Withdrawn": "Withdrawn",
    "Expired": "Expired",
    "Lapsed": "Lapsed",
    "Executed": "Executed",
    "ExecutionFailed": "Failed",
}
TOLD_TO_THE_REQUESTER = {*ENDS, "Reopened", "ExecutionUnknown"}


@dataclass(frozen=True)
class Entry:
    seq: int
    stream: str
    version: int
    at: int
    kind: str
    by: str
    data: Mapping[str, Any]
    values: Mapping[str, Any]  # what its sealed fields open to

    def __str__(self) -> str:
        return f"{self.at} #{self.seq} {self.stream}/{self.version} {self.kind} by {self.by}"


def entry(row: Sequence[Any], openings: Mapping[int, Mapping[str, str]]) -> Entry:
    """Of (seq, stream, version, at, kind, actor, body)."""
    said = json.loads(row[6])
    values = {name: json.loads(text) for name, text in openings.get(row[0], {}).items()}
    return Entry(row[0], row[1], row[2], row[3], row[4], row[5], said["data"], values)


@dataclass(frozen=True)
class Found:
    """All that a run left."""

    entries: Sequence[Entry]
    outbox: Sequence[str]  # keys of what was not delivered
    effects: Sequence[Effect]
    lied: frozenset[str]  # keys that were answered to, and not carried out
    by_key: Mapping[str, Sequence[Message]]  # of Slack
    journal: Journal
    verified: Sequence[str]  # what `nolone audit verify` finds wrong


@dataclass(frozen=True)
class Violation:
    request: str
    why: str

    def __str__(self) -> str:
        return f"{self.request}: {self.why}"


@dataclass
class Story:
    """A request as its entries tell it, by the few rules that count here."""

    id: str
    state: str = ""  # open, quorum, executing, unknown, or how its card has to read at the end
    ended: bool = False
    filed: Entry | None = None
    round: int = 1
    opened: int = 0
    digest: str = ""
    handle: str = ""
    tier: str = "standard"
    alone: bool = False  # a restore by one click
    approvals: dict[str, Entry] = field(default_factory=dict)
    quorum: Entry | None = None
    quorum_not_before: int = 0  # true ms
    late_veto: bool = False
    orders: dict[str, tuple[Entry, int]] = field(default_factory=dict)
    """By key: its ExecutionStarted, and the true instant (ms) before which nothing may happen."""
    clicked: Counter[str] = field(default_factory=Counter)  # approvals given so far, by whom

    @property
    def restores(self) -> bool:
        return self.filed is not None and self.filed.data["action"] == "restore"

    @property
    def cool_off(self) -> int:
        return 0 if self.restores else COOL_OFF[self.tier]


class Checker:
    def __init__(self, found: Found) -> None:
        self._found = found
        self._journal = found.journal
        self._acts: dict[tuple[str, str, str], list[Act]] = defaultdict(list)
        for act in found.journal.acts:
            if act.deliveries:
                self._acts[act.who, ACTS[act.what], act.about].append(act)
        self._done: Counter[tuple[str, str, str]] = Counter()
        self.stories: dict[str, Story] = {}

    def violations(self) -> list[Violation]:
        return [
            *self._ledger(),
            *self._requests(),
            *self._accepted(),
            *self._effects(),
            *self._slack(),
        ]

    # --- the ledger -----------------------------------------------------------------------------

    def _ledger(self) -> Iterator[Violation]:
        for said in self._found.verified:
            yield Violation("ledger", said)
        versions: Counter[str] = Counter()
        for n, e in enumerate(self._found.entries, 1):
            if e.seq != n:
                yield Violation("ledger", f"entry {n} is not there, {e.seq} is in its place")
                return
            versions[e.stream] += 1
            if e.version != versions[e.stream]:
                yield Violation(e.stream, f"{e} is not its next version")

    # --- each request ---------------------------------------------------------------------------

    def _requests(self) -> Iterator[Violation]:
        for e in self._found.entries:
            if not e.stream.startswith("R-"):
                continue
            story = self.stories.setdefault(e.stream, Story(e.stream))
            for why in self._next(story, e):
                yield Violation(e.stream, f"{e}: {why}")
        for story in self.stories.values():
            if not story.ended:
                yield Violation(story.id, f"it never ended: it is {story.state}")

    def _next(self, s: Story, e: Entry) -> Iterator[str]:
        """What is wrong with this entry after those before it."""
        if s.ended:
            yield f"it had ended: {s.state}"
        waiting = s.state in ("open", "quorum")
        match e.kind:
            case "Filed":
                yield from self._filed(s, e)
            case "Approved":
                yield from self._approved(s, e)
            case "QuorumReached":
                if s.state != "open":
                    yield f"it was {s.state}"
                if not s.alone and (why := self._short_of_quorum(s, e.at)) is not None:
                    yield why
                s.state, s.quorum = "quorum", e
                last = max(s.approvals.values(), key=lambda a: a.seq, default=None)
                if last is not None:
                    s.quorum_not_before = self._sent(s, last)
            case "Retracted":
                if not waiting or e.by not in s.approvals:
                    yield f"it was {s.state}, approved by {[*s.approvals]}"
                yield from self._by_hand(e, e.by)
                s.approvals.pop(e.by, None)
            case "QuorumLost":
                s.state, s.quorum = "open", None
            case "Vetoed":
                if e.by not in (*IN_GROUP, *LEGAL):
                    yield "no reviewer"
                yield from self._by_hand(e, e.by)
                if waiting:
                    self._end(s, "Vetoed")
                elif s.state == "executing":
                    s.late_veto = True
                else:
                    yield f"it was {s.state}"
            case "Withdrawn":
                if not waiting or s.filed is None or e.by != s.filed.by:
                    yield f"it was {s.state}"
                yield from self._by_hand(e, e.by)
                self._end(s, "Withdrawn")
            case "Expired":
                due = s.opened + OPEN_FOR
                if not waiting or (s.state == "open" and e.at < due):
                    yield f"it was {s.state}, open until {due}"
                self._end(s, "Expired")
            case "Lapsed":
                if not waiting:
                    yield f"it was {s.state}"
                self._end(s, "Lapsed")
            case "Reopened":
                if not waiting:
                    yield f"it was {s.state}"
                s.state, s.quorum, s.approvals = "open", None, {}
                s.round, s.opened, s.digest = s.round + 1, e.at, e.data["digest"]
                s.handle = e.values["snapshot"]["handle"]
            case "ExecutionStarted":
                yield from self._started(s, e)
            case "Executed" | "ExecutionFailed":
                if s.state not in ("executing", "unknown"):
                    yield f"it was {s.state}"
                if e.kind == "Executed":
                    yield from self._executed(s, e)
                self._end(s, ENDS[e.kind])
            case "AttemptEnded":
                if s.state != "executing":
                    yield f"it was {s.state}"
                s.state = "quorum"
                if s.late_veto:
                    self._end(s, "Vetoed")
            case "ExecutionUnknown":
                if s.state != "executing":
                    yield f"it was {s.state}"
                s.state = "unknown"
            case kind:
                yield f"nobody here does {kind}"

    @staticmethod
    def _end(s: Story, how: str) -> None:
        s.state, s.ended = how, True

    def _filed(self, s: Story, e: Entry) -> Iterator[str]:
        if s.filed is not None:
            yield "it was filed before"
        s.filed, s.state, s.opened, s.digest = e, "open", e.at, e.data["digest"]
        account = e.values["subject"]["id"]
        s.handle = e.values["snapshot"]["handle"]
        followers = self._journal.followers[account]
        s.tier = "top" if followers >= 1_000_000 else "two" if followers >= 100_000 else "standard"
        s.alone = s.restores and e.data["terms"]["approvals"] == 0
        if s.alone:
            yield from self._by_hand(e, e.by, about=e.data["undoes"])
            yield from self._entitled(e.by, e.at)
            return
        if e.by not in (*AGENTS, *BOTH) and not s.restores:
            yield "no agent"
        known = {handle for _, handle in self._journal.handles[account]}
        if not any(self._acts[e.by, "Filed", handle] for handle in known):
            yield "they never filed on this account"

    def _approved(self, s: Story, e: Entry) -> Iterator[str]:
        assert s.filed is not None
        if s.state != "open":
            yield f"it was {s.state}"
        elif e.at >= s.opened + OPEN_FOR:
            yield "its time was over"
        if e.data["digest"] != s.digest:
            yield "it was given for other facts"
        if address(e.by) == address(s.filed.by):
            yield "the requester's own"
        if address(e.by) in {address(who) for who in s.approvals}:
            yield f"one person twice: {[*s.approvals, e.by]}"
        yield from self._entitled(e.by, e.at)
        yield from self._by_hand(e, e.by)
        s.clicked[e.by] += 1
        s.approvals[e.by] = e

    def _entitled(self, who: str, at: int) -> Iterator[str]:
        if who not in (*IN_GROUP, *LEGAL):
            yield f"{who} is no reviewer"
        elif self._journal.was_out(who, at - HEARD_LATE, at):
            yield f"{who} had left the group"

    def _by_hand(self, e: Entry, who: str, about: str | None = None) -> Iterator[str]:
        """Nothing of it without a hand that did it, once each time."""
        asked = [
            a for a in self._acts[who, e.kind, about or e.stream] if a.sent <= e.at + TOLERANCE
        ]
        self._done[e.stream, e.kind, who] += 1
        if len(asked) < (done := self._done[e.stream, e.kind, who]):
            yield f"they did it {len(asked)} times, and this is number {done}"

    def _short_of_quorum(self, s: Story, at: int) -> str | None:
        """Why these approvals are no quorum."""
        assert s.filed is not None
        counted = {
            address(who): who
            for who in s.approvals
            if address(who) != address(s.filed.by)
            and not self._journal.was_out(who, at - HEARD_LATE, at)
        }
        needed = 1 if s.restores or s.tier == "standard" else 2
        legal = s.tier == "top" and not s.restores
        if len(counted) < needed:
            return f"{len(counted)} of {needed} distinct people: {[*s.approvals]}"
        if legal and not set(counted.values()) & set(LEGAL):
            return f"nobody of legal: {[*s.approvals]}"
        return None

    def _sent(self, s: Story, approved: Entry) -> int:
        """The true time (ms) before which this approval cannot have been given."""
        clicks = self._acts[approved.by, "Approved", approved.stream]
        clicks = sorted(clicks, key=lambda a: a.sent)
        nth = min(s.clicked[approved.by], len(clicks))
        return clicks[nth - 1].sent if clicks else 0

    def _started(self, s: Story, e: Entry) -> Iterator[str]:
        if s.state != "quorum" or s.quorum is None:
            yield f"it was {s.state}"
        else:
            if e.at < s.quorum.at + s.cool_off:
                yield f"its cool-off lasts until {s.quorum.at + s.cool_off}"
        if not s.alone and (why := self._short_of_quorum(s, e.at)) is not None:
            yield why
        if s.late_veto:
            yield "it was vetoed"
        order = e.values["order"]
        if order["handle"] != s.handle and not s.restores:
            yield f"it was approved for {s.handle}, and the order is for {order['handle']}"
        if order["key"] != f"nemesis/{s.id}/{s.round}":
            yield f"the order's key is {order['key']}"
        s.orders[order["key"]] = (e, s.quorum_not_before + s.cool_off)
        s.state = "executing"

    def _executed(self, s: Story, e: Entry) -> Iterator[str]:
        if e.data["outcome"] in ("verified", "partial", "already so (ours)"):
            mine = [f for f in self._found.effects if f.key in s.orders]
            if not mine:
                yield f"{e.data['outcome']}, and nothing happened on the platform"

    # --- what was accepted ------------------------------------------------------------------------

    def _accepted(self) -> Iterator[Violation]:
        kept = Counter((e.stream, e.kind, e.by) for e in self._found.entries)
        told = Counter(
            (act.accepted, ACTS[act.what], act.who)
            for act in self._journal.acts
            if act.accepted is not None
        )
        for (id, kind, who), n in told.items():
            if kept[id, kind, who] < min(n, 1 if kind == "Filed" else n):
                why = f"{who} was told {n} times of {kind}, and {kept[id, kind, who]} are kept"
                yield Violation(str(id), why)

    # --- the platform -----------------------------------------------------------------------------

    def _effects(self) -> Iterator[Violation]:
        by_request: Counter[str] = Counter()
        for effect in self._found.effects:
            if effect.by != OWN_HANDLE:
                continue
            id = (effect.key or "//").split("/")[1]
            s = self.stories.get(id)
            by_request[id] += 1
            if by_request[id] > 1:
                yield Violation(id, f"{effect} is its effect number {by_request[id]}")
            if s is None or s.filed is None or effect.key not in s.orders:
                yield Violation(id or "nobody", f"{effect} was ordered by no entry")
                continue
            _, not_before = s.orders[effect.key]
            if effect.at < not_before - TOLERANCE:
                early = not_before - effect.at
                yield Violation(id, f"{effect} came {early} ms before its cool-off was over")
            if effect.account_id != s.filed.values["subject"]["id"]:
                yield Violation(id, f"{effect} is on another account")
            if effect.action != s.filed.data["action"]:
                yield Violation(id, f"{effect} is another action")
            if s.ended and s.state != "Executed":
                yield Violation(id, f"{effect} happened, and the request is told as {s.state}")

    # --- Slack ------------------------------------------------------------------------------------

    def _slack(self) -> Iterator[Violation]:
        for key in self._found.outbox:
            yield Violation(key.partition("/")[0], f"{key} was never delivered")
        for key, messages in self._found.by_key.items():
            if len(messages) > 1:
                yield Violation(
                    key.partition("/")[0], f"{key} stands {len(messages)} times in Slack"
                )
        for s in self.stories.values():
            yield from self._card(s)
        for e in self._found.entries:
            s = self.stories.get(e.stream, Story(""))
            told = [f"{e.stream}/{e.seq}/thread"]
            if e.kind in TOLD_TO_THE_REQUESTER and s.filed is not None:
                told.append(f"{e.stream}/{e.seq}/direct/{s.filed.by}")
            for key in told if s.filed else ():
                if key not in self._found.by_key:
                    yield Violation(e.stream, f"{key} ({e.kind}) is not in Slack")

    def _card(self, s: Story) -> Iterator[Violation]:
        cards = self._found.by_key.get(f"{s.id}/card", ())
        if len(cards) != 1 or cards[0].channel != REVIEW:
            yield Violation(s.id, f"it has {len(cards)} cards")
            return
        header = next(b["text"]["text"] for b in cards[0].blocks if b["type"] == "header")
        if s.ended and not header.endswith(f"· {s.state}"):
            yield Violation(s.id, f"it is {s.state}, and its card says: {header}")


def history(found: Found, id: str) -> str:
    """Everything that is known about a request, in the order of time."""
    lines = [str(e) for e in found.entries if e.stream == id]
    lines += [str(a) for a in found.journal.acts if id in (a.about, a.accepted)]
    lines += [f"{f.at} {f}" for f in found.effects if id in (f.key or "").split("/")]
    times = [int(line.split()[0]) for line in lines]
    if times:
        lines += [
            line
            for line in found.journal.nemesis
            if min(times) - 1_000 < int(line.split()[0]) < max(times) + 1_000
        ]
    return "\n".join(sorted(lines, key=lambda line: int(line.split()[0])))
