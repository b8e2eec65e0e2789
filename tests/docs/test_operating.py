"""Alert rules, runbooks and dashboard rest on metrics that there are, and belong together."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.docs.generate import ROOT
from tests.docs.instruments import instruments, series
from tests.docs.test_docs import slugs

OPERATING = ROOT / "docs" / "operating"
RUNBOOKS = ROOT / "docs" / "how-to" / "answer-an-alert.md"
SERIES = series()
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
FROM_PROMETHEUS = {"instance", "job"}

RULES: list[dict[str, Any]] = YAML(typ="safe").load((OPERATING / "alerts.yaml").read_text())[
    "groups"
][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((OPERATING / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{f"{p['title']} {t['refId']}": t["expr"] for p in PANELS for t in p.get("targets", ())},
}
SELECTOR = re.compile(r"\b((?:nolone|process)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_is_asked_of_prometheus_is_there(name: str) -> None:
    expr = EXPRESSIONS[name]
    found = SELECTOR.findall(expr)
    assert found, expr
    for metric, matchers in found:
        assert metric in SERIES or metric in PROCESS, metric
        for label, _, _ in MATCHER.findall(matchers):
            assert label in SERIES.get(metric, set()) | FROM_PROMETHEUS, f"{metric}: {label}"
    of_these = {label for metric, _ in found for label in SERIES.get(metric, set())}
    for grouped in re.findall(r"\b(?:by|without) \(([^)]*)\)", expr):
        assert set(re.split(r",\s*", grouped)) <= of_these | FROM_PROMETHEUS, grouped
    for left, right in ("()", "{}", "[]"):
        assert expr.count(left) == expr.count(right), expr


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_the_values_that_are_asked_for_can_be(name: str) -> None:
    """Of the labels whose values are all there from the start: a phase or a kind, misspelt, never
    fires."""
    known: dict[tuple[str, str], set[str]] = {}
    for family in instruments().registry.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                known.setdefault((sample.name, label), set()).add(value)
    for metric, matchers in SELECTOR.findall(EXPRESSIONS[name]):
        for label, how, value in MATCHER.findall(matchers):
            if (metric, label) in known and label in {"phase", "kind", "outcome", "state"}:
                values = value.split("|") if "~" in how else [value]
                assert set(values) <= known[metric, label], f"{metric}{{{label}}}: {value}"


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert sections == [rule["alert"] for rule in RULES]
    for rule in RULES:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (ROOT / page) == RUNBOOKS
        assert anchor in slugs(RUNBOOKS)
        assert anchor == rule["alert"].lower()


def test_each_runbook_says_what_it_means_where_to_look_and_what_to_do() -> None:
    for section in re.split(r"^## ", RUNBOOKS.read_text(), flags=re.MULTILINE)[1:]:
        name = section.partition("\n")[0]
        assert re.findall(r"^\*\*(.*?)\*\*", section, re.MULTILINE) == [
            "Means",
            "Look at",
            "Do",
        ], name


def test_each_rule_is_whole() -> None:
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m")), rule
        assert rule["labels"]["severity"] in {"page", "ticket", "note"}
        assert set(rule["annotations"]) == {"summary", "runbook"}
        assert re.search(r"(==|>|absent)", rule["expr"])


def test_the_dashboards_panels_lie_beside_each_other() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for a, b in combinations([panel["gridPos"] for panel in PANELS], 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below, (a, b)
        assert a["x"] + a["w"] <= 24


def test_the_runbooks_name_panels_that_there_are() -> None:
    titles = {panel["title"] for panel in PANELS}
    assert {"Waiting messages", "Slack: pauses", "Slack: errors"} <= titles


def test_names_are_as_prometheus_wants_them() -> None:
    for metric, labels in SERIES.items():
        assert re.fullmatch(r"nolone_[a-z_]+", metric)
        assert all(re.fullmatch(r"[a-z_]+", label) for label in labels)
        assert not re.search(r"_ms|_milliseconds|_minutes", metric)
    counters = [f for f in instruments().registry.collect() if f.type == "counter"]
    for family in counters:
        assert f"{family.name}_total" in SERIES or family.name.startswith("process_")
