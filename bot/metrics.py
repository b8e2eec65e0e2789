"""What `/metrics` tells: counted here as it happens, or read from the database when it is asked.

No label holds anything personal: kinds, phases, outcomes, the words of Slack's errors, and the names
that the policy and the settings give to tiers, platforms and anchors.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.metadata import version
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot.core.actions import Outcome
from bot.core.commands import Command
from bot.core.events import (
    AttemptEnded,
    Event,
    Executed,
    ExecutionFailed,
    ExecutionUnknown,
    QuorumReached,
)
from bot.core.request import STILL_OPEN, Phase
from bot.engine import Done, Engine
from bot.probe import Probe
from bot.store.tx import StoreError
from bot.store.watch import Seen

LOOK_WITHIN = 2.0  # s that a scrape waits for the database; without it the rest is told
MINUTE, HOUR = 60, 3600
QUORUM_BUCKETS = (
    *(30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 24 * HOUR),
)
CALL_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)  # a call of either is ended after ten seconds
FAILED, UNKNOWN, NOTHING = "failed", "unknown", "nothing happened"  # beside an Outcome
KINDS = (
    *("card", "thread", "retell", "direct", "channel", "digest"),
    *("execute", "export", "file"),
)


class Metrics:
    """The instruments of one bot, in a registry of its own."""

    def __init__(
        self,
        engine: Engine,
        looking: Probe[Seen],
        *,
        seen_at: Callable[[], int],
        leases_lost: Mapping[str, int],
        troubled: Callable[[], Mapping[str, bool]],
    ) -> None:
        """`seen_at`: when the worker last went round (ms); `leases_lost`: how many, by kind of row;
        `troubled`: of each anchor, whether it keeps nothing new."""
        # when a counter began says nothing that a scrape does not
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        self._looking = looking
        self._now = _Now(engine, seen_at, leases_lost, troubled)
        self.registry.register(self._now)
        ProcessCollector(registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self._events = counter("nolone_events", "Entries that commands made, by kind.", ["kind"])
        self._refusals = counter(
            "nolone_refusals", "Commands that were refused, by kind.", ["command"]
        )
        self._executions = counter(
            "nolone_executions", "What came of asking a platform, by outcome.", ["outcome"]
        )
        self._quorum = histogram(
            "nolone_time_to_quorum_seconds",
            "From filing to the quorum, of requests that ask for approvals.",
            ["tier"],
            buckets=QUORUM_BUCKETS,
        )
        self._slack = histogram(
            "nolone_slack_call_seconds",
            "How long calls of Slack's Web API took, however they ended.",
            ["method"],
            buckets=CALL_BUCKETS,
        )
        self._slack_errors = counter(
            "nolone_slack_errors", "Calls that Slack did not do.", ["method", "error"]
        )
        self._platform = histogram(
            "nolone_platform_call_seconds",
            "How long calls of a platform took, however they ended.",
            ["platform", "call"],
            buckets=CALL_BUCKETS,
        )
        self._platform_errors = counter(
            "nolone_platform_errors",
            "Calls that a platform did not do, by what can have become of them.",
            ["platform", "call", "fate"],
        )
        for kind in get_args(Event):  # there from the start, so that the first of them is seen
            self._events.labels(kind.__name__)
        for outcome in (*Outcome, FAILED, UNKNOWN, NOTHING):
            self._executions.labels(outcome)
        engine.committed.append(self._committed)
        engine.refused.append(self._refused)

    # --- counted --------------------------------------------------------------------------------

    def _committed(self, done: Done) -> None:
        for event in done.events:
            self._events.labels(event.kind).inc()
            if (outcome := _outcome(event)) is not None:
                self._executions.labels(outcome).inc()
            request = done.request
            if isinstance(event, QuorumReached) and request and request.pinned.approvals:
                waited = (event.at - request.filed_at) / 1000
                self._quorum.labels(request.pinned.tier).observe(waited)

    def _refused(self, command: Command) -> None:
        self._refusals.labels(type(command).__name__).inc()

    def slack_called(self, method: str, seconds: float, error: str | None) -> None:
        self._slack.labels(method).observe(seconds)
        if error is not None:
            self._slack_errors.labels(method, error).inc()

    def platform_called(self, platform: str, call: str, seconds: float, fate: str | None) -> None:
        self._platform.labels(platform, call).observe(seconds)
        if fate is not None:
            self._platform_errors.labels(platform, call, fate).inc()

    # --- told -----------------------------------------------------------------------------------

    async def told(self, accept: str) -> tuple[bytes, str]:
        """Everything in the format that `accept` (the header) asks for, and that format's name."""
        try:
            self._now.seen = await self._looking.answer(LOOK_WITHIN)
        except (StoreError, TimeoutError):
            self._now.seen = None
        encode, kind = choose_encoder(accept)
        return encode(self.registry), kind


def _outcome(event: Event) -> str | None:
    """What came of an attempt, in a word; None: the event ends none."""
    match event:
        case Executed():
            return event.outcome
        case ExecutionFailed():
            return FAILED
        case ExecutionUnknown():
            return UNKNOWN
        case AttemptEnded():
            return NOTHING
    return None


class _Now(Collector):
    """What is so at the moment of a scrape. Without `seen` the database's part is left out, so that
    nothing old is taken for what is."""

    def __init__(
        self,
        engine: Engine,
        seen_at: Callable[[], int],
        leases_lost: Mapping[str, int],
        troubled: Callable[[], Mapping[str, bool]],
    ) -> None:
        self.seen: Seen | None = None
        self._engine = engine
        self._seen_at = seen_at
        self._leases_lost = leases_lost
        self._troubled = troubled

    def collect(self) -> Iterable[Metric]:
        build = InfoMetricFamily("nolone_build", "The version that runs.")
        build.add_metric([], {"version": version("nolone")})
        yield build
        yield self._policies()
        yield GaugeMetricFamily(
            "nolone_worker_heartbeat_age_seconds",
            "Since the worker last went round; it does at least every 30 seconds.",
            value=max(0, self._engine.clock.now() - self._seen_at()) / 1000,
        )
        lost = CounterMetricFamily(
            "nolone_leases_lost",
            "Rows that turned out to be another's when they were begun or done, by kind.",
            labels=["kind"],
        )
        for kind in KINDS:
            lost.add_metric([kind], self._leases_lost.get(kind, 0))
        yield lost
        trouble = GaugeMetricFamily(
            "nolone_anchor_trouble", "1: the anchor keeps nothing new.", labels=["anchor"]
        )
        for anchor, is_so in self._troubled().items():
            trouble.add_metric([anchor], is_so)
        yield trouble
        yield GaugeMetricFamily(
            "nolone_database_up",
            "1: the database answered in time. 0: what is read from it is missing here.",
            value=self.seen is not None,
        )
        if self.seen is not None:
            yield from _read(self.seen)

    def _policies(self) -> Metric:
        said = GaugeMetricFamily(
            "nolone_policy_info",
            "1 for the policy in force, and for one that comes into force.",
            labels=["digest", "state"],
        )
        said.add_metric([self._engine.policy.digest[:8], "in force"], 1)
        if (coming := self._engine.coming) is not None:
            said.add_metric([coming.digest[:8], "coming"], 1)
        return said


def _read(seen: Seen) -> Iterable[Metric]:
    yield GaugeMetricFamily("nolone_ledger_entries", "The trail's length.", value=seen.entries)
    count = GaugeMetricFamily(
        "nolone_requests", "Requests that are not closed, by phase.", labels=["phase"]
    )
    oldest = GaugeMetricFamily(
        "nolone_requests_oldest_seconds",
        "For how long the first of them has been in that phase.",
        labels=["phase"],
    )
    there = {row.phase: row for row in seen.requests}
    for phase in Phase:
        if phase in STILL_OPEN:
            row = there.get(phase)
            count.add_metric([phase.value], row.n if row else 0)
            if phase is not Phase.EXECUTING:  # its row in the outbox says so
                since = row.since if row and row.since is not None else seen.at
                oldest.add_metric([phase.value], max(0, seen.at - since) / 1000)
    yield from (count, oldest)
    depth = GaugeMetricFamily(
        "nolone_outbox_rows", "What has yet to be done outside, by kind.", labels=["kind"]
    )
    failed = GaugeMetricFamily(
        "nolone_outbox_undelivered", "Of these, what was tried in vain.", labels=["kind"]
    )
    age = GaugeMetricFamily(
        "nolone_outbox_oldest_seconds",
        "For how long the first of them has been waiting.",
        labels=["kind"],
    )
    waiting = {row.what: row for row in seen.outbox}
    for kind in KINDS:
        found = waiting.get(kind)
        depth.add_metric([kind], found.n if found else 0)
        failed.add_metric([kind], found.failed if found else 0)
        age.add_metric([kind], max(0, seen.at - found.since) / 1000 if found else 0)
    yield from (depth, failed, age)
    entries = GaugeMetricFamily(
        "nolone_anchor_entries", "How much of the trail an anchor keeps.", labels=["anchor"]
    )
    behind = GaugeMetricFamily(
        "nolone_anchor_behind_seconds",
        "The age of the first entry that an anchor does not keep; 0: it keeps all.",
        labels=["anchor"],
    )
    for anchor, size in seen.anchored.items():
        entries.add_metric([anchor], size)
        behind.add_metric([anchor], seen.behind[anchor] / 1000)
    yield from (entries, behind)
