"""A trail of any size, built as fast as its rows can be written.

What is in it is what the bot would have written: the entries' exact bytes, come by from templates
that a test holds to `bot.ledger.entry.write`, the values beside them under commitments that fit, and
what requests are found by. The tree, and whatever a later step of the schema derives from the
entries, is left to the steps themselves, as when an older database is migrated.
"""

import hashlib
import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heappush
from pathlib import Path

from sqlite_utils import Database

from bot.core.actions import ActionKind, Outcome
from bot.core.commands import WORKER, AdoptPolicy
from bot.core.decide import decide
from bot.core.facts import Facts
from bot.core.request import Phase
from bot.core.sealed import canonical
from bot.core.subject import AccountState, Snapshot, SubjectId
from bot.core.terms import Terms, restore_at_once, terms_for
from bot.ledger.entry import write
from bot.store.ledger import AUDIT
from bot.store.ledger import POLICY as POLICY_STREAM
from bot.store.migrations import STEPS, migrations

from .population import (
    AGENTS,
    ASKED,
    BEGAN,
    COOL_OFF,
    DAY,
    HOUR,
    MANAGERS,
    OPEN_FOR,
    POLICY,
    REASONS,
    RESTORED,
    RUN_WITHIN,
    YEARS,
    Happens,
    Shift,
    Words,
    account,
    followers,
    handle,
    life,
    shift,
    tier_of,
)

ENTRIES_EACH = 4.9  # entries that come of a request, queries among them
BATCH = 20_000
CACHE = 1 << 30  # bytes of the database that are held in memory while it is built

INSERTS = {
    "entries": "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)",
    "openings": "INSERT INTO openings VALUES (?, ?, ?, ?)",
    "involved": "INSERT OR IGNORE INTO involved (person, role, request, at) VALUES (?, ?, ?, ?)",
    "requests": "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "claims": "INSERT INTO claims VALUES (?, ?)",
    "posts": "INSERT INTO posts VALUES (?, ?, ?, ?)",
}


@dataclass(slots=True, eq=False)
class Told:
    """A request as far as it has come."""

    n: int
    id: str
    account: int
    requester: str
    filed_at: int
    undoes: "Told | None"
    crew: Shift
    digest: str = ""
    approvers: tuple[str, ...] = ()
    version: int = 0
    attempts: int = 0
    quorum_at: int | None = None
    started: int | None = None
    unknown_since: int | None = None
    running: bool = False
    phase: str | None = None
    ended_at: int | None = None
    outcome: str | None = None
    last_attempt_at: int | None = None

    @property
    def tier(self) -> int:
        return tier_of(self.account)

    @property
    def action(self) -> str:
        return "deactivate" if self.undoes is None else "restore"

    @property
    def eta(self) -> int | None:
        cool_off = COOL_OFF[self.tier] if self.undoes is None else 0
        return None if self.quorum_at is None else self.quorum_at + cool_off

    @property
    def due_at(self) -> int | None:
        if self.phase is not None or self.running:
            return self.unknown_since if self.phase is None else None
        return self.eta or self.filed_at + OPEN_FOR[self.tier]


@cache
def _terms(tier: int, at_once: bool) -> Terms:
    sample = Snapshot(
        subject=SubjectId(platform="demo", id="acct-0"),
        handle="sample",
        at=BEGAN,
        state=AccountState.ACTIVE,
        followers=(1_000_000, 10_000, 0)[tier],
    )
    if at_once:
        return restore_at_once(POLICY, sample, BEGAN)
    return terms_for(POLICY, ActionKind.DEACTIVATE, sample, BEGAN, anchors=False)


@cache
def _terms_text(tier: int, at_once: bool) -> str:
    return canonical(_terms(tier, at_once)).decode()


@cache
def _electorate(crew: Shift) -> str:
    return canonical((("legal", crew.legal), ("trust-safety", crew.trust))).decode()


@cache
def _identity(person: str) -> str:
    return f'{{"keys":["email:{person.lower()}@pipit.example"]}}'


class Writer:
    """Makes the rows of one event after another."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._words = Words(rng)
        self.seq = 0
        self.asked = 0
        self.rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in INSERTS}
        self._data: dict[str, Callable[[Told, Happens], str]] = {
            "Filed": self._filed,
            "Approved": self._approved,
            "QuorumReached": self._quorum,
            "Retracted": self._nothing,
            "QuorumLost": self._nothing,
            "Withdrawn": self._nothing,
            "Vetoed": self._vetoed,
            "Lapsed": self._why,
            "Expired": self._expired,
            "ExecutionStarted": self._started,
            "Executed": self._executed,
            "ExecutionFailed": self._failed,
            "AttemptEnded": self._ended,
            "ExecutionUnknown": self._unknown,
        }

    def adopt(self, at: int) -> None:
        """The policy, as the engine does when it starts for the first time."""
        seed = self._rng.randbytes(32).hex()
        facts = Facts(origin="bench", policy=POLICY, seed=seed)
        (event,) = decide(None, AdoptPolicy(POLICY, first=True), facts, at)
        self.seq += 1
        entry, openings = write(event, self.seq, POLICY_STREAM, 1)
        place = (self.seq, POLICY_STREAM, 1, at, event.kind, event.by, entry.body)
        self.rows["entries"].append(place)
        self.rows["openings"] += [(self.seq, o.field, o.salt, o.value) for o in openings]

    def ask(self, at: int) -> None:
        rng = self._rng
        self.seq += 1
        self.asked += 1
        by = MANAGERS[int(rng.random() * len(MANAGERS))]
        about = rng.random()
        if about < 0.4:
            text = f"account:{handle(account(rng))}"
        elif about < 0.7:
            text = f"by:{AGENTS[int(rng.random() * len(AGENTS))]} since:7d"
        else:
            text = self._words.some(2)
        query = self._seal("query", f'{{"text":"{text}"}}')
        data = f'{{"answered":{int(rng.random() * 9)},"export":false,"query":{query}}}'
        self._entry(AUDIT, self.asked, at, "Queried", by, data)

    def tell(self, request: Told, what: Happens) -> None:
        self.seq += 1
        request.version += 1
        data = self._data[what.kind](request, what)
        self._entry(request.id, request.version, what.at, what.kind, what.by, data)
        self.rows["involved"].append((what.by, what.kind, request.id, what.at))
        if request.phase is not None:
            self.keep(request)

    def keep(self, request: Told) -> None:
        """What it is found by."""
        self.rows["requests"].append(
            (
                request.n,
                request.id,
                request.version,
                request.action,
                POLICY.tiers[request.tier].name,
                f"demo:acct-{request.account}",
                handle(request.account),
                request.requester,
                request.filed_at,
                request.undoes and request.undoes.id,
                request.quorum_at,
                request.eta,
                request.started,
                request.unknown_since,
                request.phase,
                request.ended_at,
                request.outcome,
                request.due_at,
            )
        )
        ts = f"{request.filed_at // 1000}.{request.n % 1_000_000:06}"
        self.rows["posts"].append((f"{request.id}/card", "C02REV", ts, self.seq))

    def _entry(self, stream: str, version: int, at: int, kind: str, by: str, data: str) -> None:
        body = (
            f'{{"actor":"{by}","at":{at},"data":{data},"kind":"{kind}","seq":{self.seq},'
            f'"stream":"{stream}","v":1,"version":{version}}}'
        )
        self.rows["entries"].append((self.seq, stream, version, at, kind, by, body.encode()))

    def _seal(self, field: str, value: str) -> str:
        salt = self._rng.randbytes(16)
        self.rows["openings"].append((self.seq, field, salt.hex(), value))
        return f'{{"sealed":"{hashlib.sha256(salt + value.encode()).hexdigest()}"}}'

    # --- what each kind of event says ---------------------------------------------------------

    def _filed(self, r: Told, what: Happens) -> str:
        rng = self._rng
        state = "active" if r.undoes is None else "deactivated"
        told = self._words.told() if r.undoes is None else self._words.some(5)
        ticket = f"T-{int(rng.random() * 900_000)}" if rng.random() < 0.3 else ""
        subject = self._seal("subject", f'{{"id":"acct-{r.account}","platform":"demo"}}')
        snapshot = self._seal("snapshot", self._snapshot(r, what.at, state))
        grounds = self._seal(
            "grounds",
            f'{{"clause":"4.{r.account % 9}","evidence":["https://pipit.example/p/{r.n}"],'
            f'"ticket":"{ticket}","what_happened":"{told}"}}',
        )
        identity = self._seal("identity", _identity(r.requester))
        reason = REASONS[int(len(REASONS) * rng.random() ** 2)]
        terms = _terms_text(r.tier, r.undoes is not None)
        covered = f'["{r.action}",{subject},{snapshot},"{reason}",{grounds},{terms}]'
        r.digest = hashlib.sha256(covered.encode()).hexdigest()
        undoes = "null" if r.undoes is None else f'"{r.undoes.id}"'
        return (
            f'{{"action":"{r.action}","digest":"{r.digest}","electorate":{_electorate(r.crew)},'
            f'"grounds":{grounds},"identity":{identity},"reason":"{reason}","request":"{r.id}",'
            f'"snapshot":{snapshot},"subject":{subject},"terms":{terms},"undoes":{undoes}}}'
        )

    def _snapshot(self, r: Told, at: int, state: str) -> str:
        name = handle(r.account)
        return (
            f'{{"at":{at - 2_000},"by":null,"created_at":{BEGAN - r.account * 1_000},'
            f'"display_name":"{name.capitalize()}","followers":{followers(r.account)},'
            f'"handle":"{name}","is_bot_itself":false,"legal_hold":false,"profile_url":null,'
            f'"roles":[],"since":null,"state":"{state}",'
            f'"subject":{{"id":"acct-{r.account}","platform":"demo"}},"verified":false}}'
        )

    def _approved(self, r: Told, what: Happens) -> str:
        group = "legal" if what.by in r.crew.legal else "trust-safety"
        r.approvers = (*r.approvers, what.by)
        identity = self._seal("identity", _identity(what.by))
        return f'{{"digest":"{r.digest}","groups":["{group}"],"identity":{identity}}}'

    def _quorum(self, r: Told, what: Happens) -> str:
        r.quorum_at = what.at
        counted = ",".join(f'"{person}"' for person in r.approvers)
        return f'{{"counted":[{counted}]}}'

    def _nothing(self, r: Told, what: Happens) -> str:
        if what.kind == "QuorumLost":
            r.quorum_at = None
        if what.kind == "Retracted":
            r.approvers = tuple(person for person in r.approvers if person != what.by)
        if what.kind == "Withdrawn":
            self._end(r, Phase.WITHDRAWN, what.at)
        return "{}"

    def _vetoed(self, r: Told, what: Happens) -> str:
        self._end(r, Phase.VETOED, what.at)
        return self._sealed_words("reason", self._words.some(8))

    def _why(self, r: Told, what: Happens) -> str:
        self._end(r, Phase.LAPSED, what.at)
        return self._sealed_words("why", "the account is gone")

    def _expired(self, r: Told, what: Happens) -> str:
        self._end(r, Phase.EXPIRED, what.at)
        return '{"phase":"open"}' if r.quorum_at is None else '{"phase":"ready"}'

    def _started(self, r: Told, what: Happens) -> str:
        r.attempts += 1
        r.started, r.running = self.seq, True
        state = "active" if r.undoes is None else "deactivated"
        eta = r.eta
        assert eta is not None
        until = min(eta + RUN_WITHIN[r.tier], what.at + 30_000)
        order = self._seal(
            "order",
            f'{{"action":"{r.action}","handle":"{handle(r.account)}","key":"bench/{r.id}/1",'
            f'"not_after":{until},"subject":{{"id":"acct-{r.account}","platform":"demo"}}}}',
        )
        before = self._seal("before", self._snapshot(r, what.at, state))
        return f'{{"attempt":{r.attempts},"before":{before},"order":{order}}}'

    def _executed(self, r: Told, what: Happens) -> str:
        outcome = Outcome.VERIFIED if self._rng.random() < 0.9 else Outcome.ALREADY_OTHERS
        self._end(r, Phase.EXECUTED, what.at)
        r.outcome = outcome.value
        state = "deactivated" if r.undoes is None else "active"
        receipt = self._seal("receipt", f'{{"answer":"POST actions: 200","at":{what.at - 300}}}')
        observed = self._seal(
            "observed",
            f'{{"at":{what.at - 100},"by":"nolone","key":"bench/{r.id}/1","state":"{state}",'
            '"surface":"public profile"}',
        )
        return f'{{"observed":{observed},"outcome":"{outcome.value}","receipt":{receipt}}}'

    def _failed(self, r: Told, what: Happens) -> str:
        self._end(r, Phase.FAILED, what.at)
        return self._sealed_words("why", "the platform refused: legal hold")

    def _ended(self, r: Told, what: Happens) -> str:
        r.running, r.last_attempt_at = False, what.at
        return self._sealed_words("why", "the platform could not be reached")

    def _unknown(self, r: Told, what: Happens) -> str:
        r.unknown_since = what.at
        return self._sealed_words("why", "nothing was seen within its time")

    def _sealed_words(self, field: str, text: str) -> str:
        sealed = self._seal(field, f'{{"text":"{text}"}}')
        return f'{{"{field}":{sealed}}}'

    def _end(self, r: Told, phase: Phase, at: int) -> None:
        r.phase, r.ended_at, r.running, r.unknown_since = phase.value, at, False, None


class World:
    """Lets everything happen in the order of its time."""

    def __init__(self, entries: int) -> None:
        self._rng = random.Random(entries)
        self.writer = Writer(self._rng)
        self._gap = YEARS / (entries / ENTRIES_EACH)
        self._ahead: list[tuple[int, int, Told | None, Happens]] = []
        self._tie = 0
        self._held: dict[int, Told] = {}  # by account
        self.requests = 0
        self.writer.adopt(BEGAN)
        self._expect(BEGAN + HOUR, None, "File")
        self._expect(BEGAN + 2 * HOUR, None, "Query")

    def _expect(self, at: int, request: Told | None, kind: str, by: str = WORKER) -> None:
        self._tie += 1
        heappush(self._ahead, (at, self._tie, request, Happens(at, kind, by)))

    def step(self) -> None:
        """Until one more entry is there."""
        before = self.writer.seq
        while self.writer.seq == before:
            at, _, request, what = heappop(self._ahead)
            match what.kind:
                case "File":
                    self._expect(at + int(self._rng.expovariate(1 / self._gap)) + 1, None, "File")
                    self._file(at)
                case "Query":
                    self._expect(
                        at + int(self._rng.expovariate(ASKED / self._gap)) + 1, None, "Query"
                    )
                    self.writer.ask(at)
                case "Restore":
                    assert request is not None
                    if request.account not in self._held:
                        self._begin(at, request.account, what.by, request)
                case _:
                    assert request is not None
                    self._go_on(request, what)

    def _file(self, at: int) -> None:
        rng = self._rng
        about = account(rng)
        while about in self._held:
            about = account(rng)
        self._begin(at, about, AGENTS[int(len(AGENTS) * rng.random() ** 2)], None)

    def _begin(self, at: int, about: int, by: str, undoes: Told | None) -> None:
        self.requests += 1
        n, crew = self.requests, shift(at)
        request = Told(n, f"R-{n}", about, by, at, undoes, crew)
        self._held[about] = request
        self.writer.tell(request, Happens(at, "Filed", by))
        for happens in life(self._rng, at, request.tier, by, crew, undoes is not None):
            self._expect(happens.at, request, happens.kind, happens.by)

    def _go_on(self, request: Told, what: Happens) -> None:
        rng = self._rng
        self.writer.tell(request, what)
        if request.phase is None:
            return
        del self._held[request.account]
        if what.kind == "Executed" and request.undoes is None and rng.random() < RESTORED:
            by = request.crew.trust[int(rng.random() * len(request.crew.trust))]
            self._expect(what.at + int(rng.random() * DAY), request, "Restore", by)

    def close(self) -> None:
        """Keep what is still open."""
        for request in self._held.values():
            self.writer.keep(request)
            self.writer.rows["claims"].append((f"demo:acct-{request.account}", request.id))


@dataclass(frozen=True)
class Built:
    entries: int
    requests: int
    size: int  # bytes
    writing: float  # s
    steps: float  # s, of the schema that came after

    def __str__(self) -> str:
        total = self.writing + self.steps
        return (
            f"{self.entries:,} entries of {self.requests:,} requests, {self.size / 2**20:,.0f} MB,"
            f" in {total:.0f} s: {self.entries / total:,.0f} a second"
            f" ({self.writing:.0f} s of it for the rows, {self.steps:.0f} s for the tree and what else"
            " the schema derives)"
        )


def build(entries: int, path: Path) -> Built:
    """A new database at `path`. Raises FileExistsError."""
    path.touch(exist_ok=False)
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE >> 10}"):
        connection.execute(f"PRAGMA {pragma}")
    database = Database(connection)
    began = time.perf_counter()
    migrations().apply(database, stop_before=STEPS[1].name)
    world = World(entries)
    connection.execute("BEGIN")
    while world.writer.seq < entries:
        for _ in range(min(BATCH, entries - world.writer.seq)):
            world.step()
        _flush(connection, world.writer)
    world.close()
    _flush(connection, world.writer)
    connection.execute("COMMIT")
    written = time.perf_counter()
    connection.execute("PRAGMA journal_mode = WAL")
    migrations().apply(database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    done = time.perf_counter()
    size = path.stat().st_size
    return Built(entries, world.requests, size, written - began, done - written)


def _flush(connection: sqlite3.Connection, writer: Writer) -> None:
    for table, sql in INSERTS.items():
        connection.executemany(sql, writer.rows[table])
        writer.rows[table].clear()
