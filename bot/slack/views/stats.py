"""Figures in Slack: drawn by Slack where it takes that, and in words with bars of text everywhere."""

from collections import Counter
from collections.abc import Iterable, Sequence

from bot.audit.stats import NOTES, Spread, Stats, Tier, figures, sentence
from bot.core.duration import DAY, HOUR, MINUTE, SECOND
from bot.core.text import cut, one_line, utc
from bot.slack.views.common import Block, Blocks, context, escape, fields, header, section, when

BAR = 18  # characters of the longest: with its name and number it fits on a phone
TIERS_DRAWN = 6  # series of a chart, at most
TIERS_LISTED = 30
LABEL_MOST = 20  # characters in a chart
_UNITS = ((DAY, 2 * DAY, "days"), (HOUR, 2 * HOUR, "hours"), (MINUTE, 2 * MINUTE, "minutes"))


def text(found: Stats) -> str:
    """The result in a sentence."""
    return f"{sentence(found)}, since {utc(found.since)[:10]}"


def classic(found: Stats) -> Blocks:
    """In the blocks that every Slack takes."""
    blocks = _top(found)
    if found.filed:
        blocks += [_bars(found.states), section(_tiers(found.tiers))]
    return [*blocks, fields(figures(found)), context(*NOTES)]


def native(found: Stats) -> Blocks:
    """With Slack's charts and its table, of which a message holds two and one. There must have
    been a request: a chart of nothing is refused."""
    charts = [_outcomes(found)]
    if (times := _times(found)) is not None:
        charts.append(times)
    return [*_top(found), *charts, fields(figures(found)), _table(found), context(*NOTES)]


def _top(found: Stats) -> Blocks:
    said = escape(sentence(found))
    span = f"from {when(found.since)} to {when(found.until)}"
    return [header("Statistics"), section(f"*{said}*\n{span}")]


# --- text ------------------------------------------------------------------------------------


def _bars(counts: Sequence[tuple[str, int]]) -> Block:
    names = max(len(name) for name, _ in counts)
    most = max(n for _, n in counts)
    digits = len(str(most))
    rows = (f"{name:<{names}} {n:>{digits}} {'▇' * -(-n * BAR // most)}" for name, n in counts)
    drawn = {"type": "text", "text": "\n".join(rows)}
    aligned = {"type": "rich_text_preformatted", "elements": [drawn]}
    return {"type": "rich_text", "elements": [aligned]}


def _tiers(tiers: Sequence[Tier]) -> str:
    rows = (
        f"*{escape(one_line(tier.name, 60))}*  {tier.filed}: {_states(tier)}"
        f" · {tier.hasty} of {tier.approved} approved within 10 s"
        for tier in _few(tiers, TIERS_LISTED)
    )
    return "\n".join(rows)


def _states(tier: Tier) -> str:
    return ", ".join(f"{n} {phase}" for phase, n in tier.states)


# --- charts and the table ----------------------------------------------------------------------


def _outcomes(found: Stats) -> Block:
    phases = [phase for phase, _ in found.states]
    tiers = _few(found.tiers, TIERS_DRAWN)
    series = [
        _series(name, ((phase, dict(tier.states).get(phase, 0)) for phase in phases))
        for name, tier in zip(_labels(t.name for t in tiers), tiers, strict=True)
    ]
    return _bar_chart("Requests by outcome and tier", series, phases, "Requests")


def _times(found: Stats) -> Block | None:
    """None where nothing was ever reviewed or ended."""
    kinds: list[tuple[str, Spread]] = [
        (name, times)
        for name, times in (
            ("First review", found.review),
            ("Quorum", found.quorum),
            ("End", found.end),
        )
        if times is not None
    ]
    if not kinds:
        return None
    most = max(times.p95 for _, times in kinds)
    unit, name = next(((u, n) for u, least, n in _UNITS if most >= least), (SECOND, "seconds"))
    series = [
        _series("Median", ((kind, round(t.median / unit, 1)) for kind, t in kinds)),
        _series("95th percentile", ((kind, round(t.p95 / unit, 1)) for kind, t in kinds)),
    ]
    title = "Time from filing"
    return _bar_chart(title, series, [kind for kind, _ in kinds], name.capitalize())


def _bar_chart(title: str, series: list[Block], categories: Sequence[str], y: str) -> Block:
    axes = {"categories": list(categories), "y_label": y}
    chart = {"type": "bar", "series": series, "axis_config": axes}
    return {"type": "data_visualization", "title": title, "chart": chart}


def _series(name: str, values: Iterable[tuple[str, float]]) -> Block:
    return {"name": name, "data": [{"label": label, "value": n} for label, n in values]}


def _table(found: Stats) -> Block:
    phases = [phase for phase, _ in found.states]
    head = ["Tier", "Filed", *(phase.capitalize() for phase in phases), "Approved in 10 s"]
    rows = [[_cell(name) for name in head]]
    for tier in _few(found.tiers, TIERS_LISTED):
        states = dict(tier.states)
        counts = [tier.filed, *(states.get(phase, 0) for phase in phases), tier.hasty]
        rows.append([_cell(one_line(tier.name, 60)), *(_number(n) for n in counts)])
    return {
        "type": "data_table",
        "caption": "Requests by tier and outcome",
        "rows": rows,
        "page_size": len(rows) - 1,
    }


def _cell(text: str) -> Block:
    return {"type": "raw_text", "text": text}


def _number(n: int) -> Block:
    return {"type": "raw_number", "value": n, "text": str(n)}


def _few(tiers: Sequence[Tier], most: int) -> Sequence[Tier]:
    """At most so many, the last of them all the others together."""
    if len(tiers) <= most:
        return tiers
    shown, rest = tiers[: most - 1], tiers[most - 1 :]
    states = sum((Counter(dict(tier.states)) for tier in rest), Counter())
    together = Tier(
        name=f"{len(rest)} other tiers",
        states=tuple(states.items()),
        approved=sum(tier.approved for tier in rest),
        hasty=sum(tier.hasty for tier in rest),
    )
    return [*shown, together]


def _labels(names: Iterable[str]) -> list[str]:
    """As short as a chart takes them, and still all different."""
    labels: list[str] = []
    for name in names:
        label = one_line(name, LABEL_MOST)
        if label in labels:
            number = f" {len(labels) + 1}"
            label = cut(label, LABEL_MOST - len(number)) + number
        labels.append(label)
    return labels
