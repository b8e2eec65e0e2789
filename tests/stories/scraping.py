"""What `/metrics` and `/readyz` say over HTTP."""

from typing import Any, NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from stories.telling import Story


class Scrape(NamedTuple):
    text: str
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        """0 for a series that there is not."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)


def parsed(text: str) -> Scrape:
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return Scrape(text, samples)


async def scrape(s: Story) -> Scrape:
    async with aiohttp.ClientSession() as session, session.get(f"{s.w.url}/metrics") as answer:
        assert answer.status == 200
        return parsed(await answer.text())


async def ready(s: Story) -> tuple[int, dict[str, Any]]:
    """The status of `/readyz`, and what it says."""
    async with aiohttp.ClientSession() as session, session.get(f"{s.w.url}/readyz") as answer:
        said: dict[str, Any] = await answer.json()
        return answer.status, said


def not_well(said: dict[str, Any]) -> dict[str, str]:
    """The state of each check that is not ok."""
    return {name: c["state"] for name, c in said["checks"].items() if c["state"] != "ok"}
