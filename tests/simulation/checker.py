"""What must always hold, read off the entries as they lie in the file, the platforms' own logs and the
messages in Slack. It folds them by itself: nothing of `bot.core` is used but names of events."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING, Any

from bot.store.trail import verify_trail

from .process import ORIGIN
from .slack import GROUP_OF

if TYPE_CHECKING:
    from .platform import Effect
    from .world import World

SKEW = 50  # ms that clocks may differ, and what is under way may take on top
STALE = 71_000  # ms that Slack's answers may be old: a minute, and ten seconds until it is decided
CLOSED_BY = {
    "Vetoed": "vetoed",
    "Withdrawn": "withdrawn",
    "Lapsed": "lapsed",
    "Expired": "expired",
    "Executed": "executed",
    "ExecutionFailed": "failed",
}


class Broken(AssertionError):
    """Something that must always hold does not."""


@dataclass
class Told:
    """A request, as its entries tell it."""

    id: str
    requester: str
    action: str
    subject: str
    undoes: str | None
    electorate: Mapping[str, Sequence[str]]
    terms: Mapping[str, Any]
    digest: str
    opened_at: int
    version: int = 1
    approvals: dict[str, Sequence[str]] = field(default_factory=dict)  # by whom, in which groups
    quorum_at: int | None = None
    quorum_seq: int = 0
    spans: list[list[int]] = field(default_factory=list)  # [from, to] in which it was executing
    executing: bool = False
    unknown: bool = False
    veto: bool = False
    closed: str | None = None
    closed_at: int = 0

    @property
    def restrictive(self) -> bool:
        return self.action == "deactivate"


class Checker:
    def __init__(self, world: "World") -> None:
        self._world = world
        self._db = sqlite3.connect(world.path.as_uri() + "?mode=ro", uri=True, isolation_level=None)
        self.requests: dict[str, Told] = {}
        self.entries = 0
        self._holders: dict[str, str] = {}  # of each subject, the open request
        self._written: Counter[tuple[str, str, str, int]] = Counter()  # stream, kind, by, at
        self._kinds: dict[str, list[tuple[int, str]]] = defaultdict(list)  # of each stream
        self._seen_effects: Counter[str] = Counter()  # by platform
        self._effect_of: dict[str, Effect] = {}  # by request

    def look(self) -> None:
        """At what is new."""
        rows = self._db.execute(
            "SELECT seq, stream, version, at, kind, actor, body FROM entries WHERE seq > ? ORDER BY seq",
            (self.entries,),
        ).fetchall()
        for seq, stream, version, at, kind, by, body in rows:
            _must(seq == self.entries + 1, f"entry {seq} follows {self.entries}")
            self.entries = seq
            self._written[stream, kind, by, at] += 1
            self._kinds[stream].append((seq, kind))
            if stream.startswith("R-"):
                self._entry(seq, stream, version, at, kind, by, json.loads(body)["data"])
        for name, there in self._world.platforms.items():
            for effect in there.effects[self._seen_effects[name] :]:
                self._effect(effect)
            self._seen_effects[name] = len(there.effects)

    def _opened(self, seq: int, name: str) -> Any:
        ((value,),) = self._db.execute(
            "SELECT value FROM openings WHERE seq = ? AND field = ?", (seq, name)
        )
        return json.loads(value)

    # --- entries ------------------------------------------------------------------------------

    def _entry(
        self, seq: int, id: str, version: int, at: int, kind: str, by: str, data: dict[str, Any]
    ) -> None:
        where = f"{id}: {kind} by {by} at entry {seq}"
        if kind == "Filed":
            self._filed(seq, id, at, by, data, where)
            return
        told = self.requests[id]
        told.version += 1
        _must(version == told.version, f"{where} is the {version}th of its stream")
        _must(told.closed is None, f"{where}, when it was {told.closed} already")
        match kind:
            case "Approved":
                self._approved(told, at, by, data, where)
            case "QuorumReached":
                _must(told.quorum_at is None, f"{where}: twice")
                _must(at < told.opened_at + told.terms["open_for"], f"{where}: after the deadline")
                self._quorum(told, at, by, where)
                told.quorum_at, told.quorum_seq = at, seq
            case "Retracted":
                _must(by in told.approvals, f"{where}: nothing was approved")
                _must(not told.executing, f"{where}: it was started")
                told.approvals = {a: g for a, g in told.approvals.items() if a != by}
            case "QuorumLost":
                told.quorum_at = None
            case "Reopened":
                _must(not told.executing, f"{where}: it was started")
                told.approvals, told.quorum_at, told.opened_at = {}, None, at
                told.terms, told.digest = data["terms"], data["digest"]
                self._terms(told, self._opened(seq, "snapshot"), where)
            case "Vetoed":
                _must(not told.veto, f"{where}: twice")
                told.veto = True
                if not told.executing:
                    self._close(told, kind, at)
            case "ExecutionStarted":
                self._started(told, at, where)
            case "AttemptEnded":
                _must(told.executing, f"{where}: nothing was started")
                told.executing = False
                told.spans[-1][1] = at
                if told.veto:
                    self._close(told, "Vetoed", at)
            case "ExecutionUnknown":
                _must(told.executing, f"{where}: nothing was started")
                told.unknown = True
            case "Withdrawn" | "Lapsed" | "Expired":
                _must(not told.executing, f"{where}: it was started")
                if kind == "Withdrawn":
                    _must(by == told.requester, f"{where}: it is another's")
                self._close(told, kind, at)
            case "Executed" | "ExecutionFailed":
                _must(told.executing, f"{where}: nothing was started")
                told.executing = False
                told.spans[-1][1] = at
                self._close(told, kind, at)
            case "SettlementProposed":
                _must(told.unknown, f"{where}: nothing is unknown")

    def _filed(self, seq: int, id: str, at: int, by: str, data: dict[str, Any], where: str) -> None:
        _must(id not in self.requests and data["request"] == id, f"{where}: twice")
        subject = self._opened(seq, "subject")
        told = Told(
            id=id,
            requester=by,
            action=data["action"],
            subject=f"{subject['platform']}:{subject['id']}",
            undoes=data["undoes"],
            electorate=dict(data["electorate"]),
            terms=data["terms"],
            digest=data["digest"],
            opened_at=at,
        )
        holder = self._holders.get(told.subject)
        _must(
            holder is None or (holder == told.undoes and self.requests[holder].unknown),
            f"{where}: {holder} has the subject",
        )
        self._holders[told.subject] = id
        self.requests[id] = told
        self._terms(told, self._opened(seq, "snapshot"), where)

    def _terms(self, told: Told, snapshot: Mapping[str, Any], where: str) -> None:
        terms, least = told.terms, 1 if told.restrictive else 0
        top = told.restrictive and snapshot["followers"] >= 1_000_000
        if top:
            least = 2
            _must(dict(terms["including"]).get("legal") == 1, f"{where}: without legal")
        _must(terms["approvals"] >= least, f"{where}: {terms['approvals']} approvals")
        wait = 60_000 if top else 20_000 if told.restrictive else 0
        _must(terms["cool_off"] >= wait, f"{where}: a cool-off of {terms['cool_off']}")

    def _human(self, account: str) -> str:
        return self._world.people.humans[account].human

    def _counts_in(self, told: Told, account: str, groups: Sequence[str], at: int) -> set[str]:
        """In which groups somebody counts: at filing, at the click, and in truth."""
        people = self._world.people
        if not people.was_here(account, at - STALE):
            return set()
        return {
            group
            for group, members in told.electorate.items()
            if account in members
            and group in groups
            and people.was_member(account, GROUP_OF[group], at - STALE, at + SKEW)
        }

    def _approved(self, told: Told, at: int, by: str, data: dict[str, Any], where: str) -> None:
        _must(told.quorum_at is None and not told.executing, f"{where}: it was not open")
        _must(at < told.opened_at + told.terms["open_for"], f"{where}: after the deadline")
        _must(data["digest"] == told.digest, f"{where}: of other facts")
        who = self._human(by)
        _must(who != self._human(told.requester), f"{where}: of its own request")
        _must(who not in map(self._human, told.approvals), f"{where}: one human twice")
        _must(bool(self._counts_in(told, by, data["groups"], at)), f"{where}: not entitled")
        told.approvals[by] = data["groups"]

    def _quorum(self, told: Told, at: int, by: str, where: str) -> None:
        """That distinct entitled people fill each place."""
        places = [g for g, n in told.terms["including"] for _ in range(n)]
        places += [""] * (told.terms["approvals"] - len(places))
        if not places:  # one reviewer, who gives back
            ever = any(self._world.people.was_member(by, g, 0, at) for g in GROUP_OF.values())
            fits = ever or by == "worker"
            _must(fits and told.undoes is not None and not told.restrictive, f"{where}: alone")
            return
        able = {a: self._counts_in(told, a, groups, at) for a, groups in told.approvals.items()}
        able = {a: g for a, g in able.items() if self._human(a) != self._human(told.requester)}
        for some in permutations(able, len(places)):
            distinct = len({self._human(a) for a in some}) == len(places)
            if distinct and all(
                able[a] and (not place or place in able[a])
                for a, place in zip(some, places, strict=True)
            ):
                return
        raise Broken(f"{where}: without its quorum; {able} for {places}")

    def _started(self, told: Told, at: int, where: str) -> None:
        _must(not told.veto, f"{where}: after a veto")
        _must(not told.executing, f"{where}: twice at once")
        _must(told.quorum_at is not None, f"{where}: without a quorum")
        assert told.quorum_at is not None
        eta = told.quorum_at + told.terms["cool_off"]
        _must(at >= eta, f"{where}: {eta - at} ms early")
        _must(at < eta + told.terms["run_within"], f"{where}: too late")
        if told.terms["approvals"]:
            self._quorum(told, at, told.requester, where)
        if told.restrictive:
            by_key = self._world.slack.by_key
            shown = f"{told.id}/card" in by_key and f"{told.id}/{told.quorum_seq}/thread" in by_key
            _must(shown, f"{where}: nobody was told of the quorum")
        told.executing, told.unknown = True, False
        told.spans.append([at, 1 << 62])

    def _close(self, told: Told, kind: str, at: int) -> None:
        told.closed, told.closed_at = CLOSED_BY[kind], at
        if self._holders.get(told.subject) == told.id:
            del self._holders[told.subject]
        undone = self.requests.get(told.undoes or "")
        if undone is not None and undone.closed is None:
            self._holders.setdefault(told.subject, undone.id)

    # --- effects ------------------------------------------------------------------------------

    def _effect(self, effect: "Effect") -> None:
        origin, id, _ = effect.key.rsplit("/", 2)
        told = self.requests.get(id)
        where = f"the effect {effect}"
        _must(origin == ORIGIN and told is not None, f"{where} is of no request")
        assert told is not None
        _must(told.subject == effect.subject, f"{where} is on another subject than {told.subject}")
        _must(told.action == effect.action.value, f"{where} is another action than {told.action}")
        _must(id not in self._effect_of, f"{where} is the second one of {id}")
        self._effect_of[id] = effect
        during = any(a - SKEW <= effect.sent <= b + SKEW for a, b in told.spans)
        _must(during, f"{where} was sent when {id} was not executing: {told.spans}")
        _must(effect.sent <= effect.not_after + SKEW, f"{where} was sent too late")

    # --- the end ------------------------------------------------------------------------------

    @property
    def all_ended(self) -> bool:
        self.look()
        waiting = self._db.execute("SELECT count(*) FROM outbox").fetchone()[0]
        return not waiting and all(t.closed is not None for t in self.requests.values())

    def still(self) -> str:
        open = [t.id for t in self.requests.values() if t.closed is None]
        rows = self._db.execute("SELECT key, error FROM outbox LIMIT 5").fetchall()
        return f"open: {open[:5]}, not delivered: {rows}"

    def at_the_end(self) -> None:
        """Once all has come to rest."""
        self.look()
        _must(self.all_ended, f"it does not come to an end: {self.still()}")
        slack = self._world.slack
        for told in self.requests.values():
            cards = [m.phase for m in slack.cards(told.id)]
            _must(cards == [told.closed], f"{told.id} is {told.closed}, its cards show {cards}")
            for seq, kind in self._kinds[told.id]:
                said = list(slack.by_key.get(f"{told.id}/{seq}/thread", ()))
                _must(len(said) == 1, f"{told.id}: {kind} is told {len(said)} times")
        claims = self._db.execute("SELECT * FROM claims").fetchall()
        _must(not claims, f"these subjects are claimed, and nothing is open: {claims}")
        self._deliveries()
        found = self._world.store.run_now(verify_trail)
        _must(not found.findings, f"the trail: {found.findings}")
        _must(found.size == self.entries, f"the trail has {found.size} of {self.entries} entries")

    def _deliveries(self) -> None:
        certain: Counter[tuple[str, str, str]] = Counter()
        possible: Counter[tuple[str, str, str]] = Counter()
        for delivery in self._world.clients.deliveries:
            for event in delivery.accepted:
                _must(
                    self._written[event] > 0, f"{delivery.key} was accepted, and is lost: {event}"
                )
            what = delivery.kind, delivery.by, delivery.stream
            heard = set(delivery.heard)
            if heard & {"accepted", "duplicate"}:
                certain[what] += 1
            elif heard & {"nothing", "failed"}:
                possible[what] += 1
        written: Counter[tuple[str, str, str]] = Counter()
        for (stream, kind, by, _), n in self._written.items():
            asked = "" if kind == "Filed" else stream
            written[kind, by, asked] += n
        asked_for = {d.kind for d in self._world.clients.deliveries}
        for what in {*certain, *possible, *(w for w in written if w[0] in asked_for)}:
            n, least, most = written[what], certain[what], certain[what] + possible[what]
            _must(
                least <= n <= most,
                f"{what}: {n} entries, {least} deliveries accepted and {possible[what]} unanswered",
            )

    def close(self) -> None:
        self._db.close()


def _must(holds: bool, else_: str) -> None:
    if not holds:
        raise Broken(else_)
