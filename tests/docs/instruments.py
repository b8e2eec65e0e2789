"""The instruments of a bot, without a bot around them: every series that there can be, once."""

from typing import Any, cast

from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase

from bot import policyfile
from bot.engine import Engine
from bot.metrics import Metrics
from bot.probe import Probe
from bot.sandbox.clock import SandboxClock
from bot.sandbox.world import POLICY
from bot.store.watch import Seen

ANCHOR = "directory"


def instruments() -> Metrics:
    nobody: Any = None
    engine = Engine(
        store=nobody,
        clock=SandboxClock(lambda: 0),
        directory=nobody,
        platforms={},
        policy=policyfile.load(POLICY),
        origin="nolone",
    )

    async def never() -> Seen:
        raise AssertionError

    made = Metrics(
        engine,
        Probe(never, engine.clock.now),
        seen_at=lambda: 0,
        leases_lost={},
        troubled=lambda: {ANCHOR: False},
    )
    made._now.seen = Seen(0, 0, (), (), (), {ANCHOR: 0}, {ANCHOR: 0})
    return made


def families() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Each of ours: its name as it is scraped, type, labels and meaning."""
    made = instruments()
    labels = {
        name: tuple(collector._labelnames)
        for collector, names in made.registry._collector_to_names.items()
        if isinstance(collector, MetricWrapperBase)
        for name in names
    }
    found = []
    for family in cast(list[Metric], [*made.registry.collect()]):
        if not family.name.startswith("nolone_"):
            continue
        name = f"{family.name}{ {'counter': '_total', 'info': '_info'}.get(family.type, '') }"
        of = labels.get(family.name) or tuple(
            {label: None for sample in family.samples for label in sample.labels}
        )
        found.append((name, family.type, of, family.documentation))
    return sorted(found)


def series() -> dict[str, set[str]]:
    """Every name that can be asked of a scrape, and its labels."""
    told: dict[str, set[str]] = {}
    for name, kind, labels, _ in families():
        if kind == "histogram":
            told[f"{name}_bucket"] = {*labels, "le"}
            told |= {f"{name}_{part}": {*labels} for part in ("count", "sum")}
        else:
            told[name] = {*labels}
    return told
