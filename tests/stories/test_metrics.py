"""What `/metrics` counts is what happened, and it names nobody."""

import asyncio
import re
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import REGISTRY

from bot import metrics
from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error, RateLimited, ServerError
from bot.sandbox.world import REVIEW, world
from stories.scraping import scrape
from stories.telling import (
    ADA,
    AGENT,
    LENA,
    MINUTE,
    OMAR,
    PRES1DENT,
    SECOND,
    TESSA,
    Story,
)
from stories.test_execution import unknown
from stories.test_secrets import CLAUSE, EVIDENCE, REASON, TICKET, WHAT, story
from tests.docs.instruments import families


async def test_a_request_is_counted_on_its_way(s: Story) -> None:
    before = await scrape(s)
    assert before.value("nolone_events_total", kind="Filed") == 0
    await s.file()
    filed = await scrape(s)
    assert filed.value("nolone_requests", phase="open") == 1
    s.w.clock.skip(3 * MINUTE)
    await s.approve(TESSA)
    cooling = await scrape(s)
    assert cooling.value("nolone_requests", phase="open") == 0
    assert cooling.value("nolone_requests", phase="cooling off") == 1
    took = {"tier": "standard"}
    assert cooling.value("nolone_time_to_quorum_seconds_count", **took) == 1
    assert 180 <= cooling.value("nolone_time_to_quorum_seconds_sum", **took) < 200
    await s.until_ready()
    assert await s.phase() is Phase.EXECUTED
    end = await scrape(s)
    assert end.value("nolone_executions_total", outcome="verified") == 1
    assert [end.value("nolone_requests", phase=p) for p in Phase] == [0] * len(Phase)
    for kind in ("Filed", "Approved", "QuorumReached", "ExecutionStarted", "Executed"):
        assert end.value("nolone_events_total", kind=kind) == 1, kind
    assert end.value("nolone_ledger_entries") == 1 + len(await s.kinds())  # and the policy
    asked = {"platform": "demo", "call": "apply"}
    assert end.value("nolone_platform_call_seconds_count", **asked) == 1


async def test_a_veto_and_a_refusal_are_counted(s: Story) -> None:
    await s.file()
    await s.approve(AGENT)
    await s.veto(OMAR)
    found = await scrape(s)
    assert found.value("nolone_events_total", kind="Vetoed") == 1
    assert found.value("nolone_refusals_total", command="Approve") == 1
    assert found.value("nolone_requests", phase="open") == 0


async def test_what_came_of_an_attempt_is_counted_by_its_outcome(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.fail = 403
    s.w.platform.faults.only_writes = True
    await s.until_ready()
    assert await s.phase() is Phase.FAILED
    found = await scrape(s)
    assert found.value("nolone_executions_total", outcome="failed") == 1
    assert found.value("nolone_executions_total", outcome="verified") == 0
    asked = {"platform": "demo", "call": "apply", "fate": "refused"}
    assert found.value("nolone_platform_errors_total", **asked) == 1


async def test_an_effect_that_is_unknown_stands_out(s: Story) -> None:
    await unknown(s, acted=True)
    s.w.clock.skip(10 * SECOND)
    found = await scrape(s)
    assert found.value("nolone_requests", phase="unknown") == 1
    assert found.value("nolone_requests_oldest_seconds", phase="unknown") >= 10
    assert found.value("nolone_executions_total", outcome="unknown") == 1


async def test_the_phases_that_are_counted_are_those_of_the_requests(s: Story) -> None:
    """Of SQL's and Python's ways to tell them apart neither may change alone."""
    await s.file("@ada")
    await s.cooling_off("@jonas_b")
    await s.cooling_off("@pres1dent")
    s.w.platform.faults.down = True
    await s.skip(5 * MINUTE)
    counted = {
        p: n for p in Phase if (n := (await scrape(s)).value("nolone_requests", phase=p)) > 0
    }
    assert counted == Counter([await s.phase(f"R-{n}") for n in (1, 2, 3)])
    assert len(counted) >= 2


async def test_errors_of_slack_are_counted_by_method_and_word(s: Story) -> None:
    s.w.slack.fail("chat.postMessage", RateLimited(2), ServerError(503), Error("internal_error"))
    await s.file()
    found = await scrape(s)
    method = {"method": "chat.postMessage"}
    for word in ("ratelimited", "HTTP 503", "internal_error"):
        assert found.value("nolone_slack_errors_total", **method, error=word) >= 1, word
    calls = sum(c.method == "chat.postMessage" for c in s.w.slack.calls)
    assert found.value("nolone_slack_call_seconds_count", **method) == calls


async def test_a_word_of_slacks_that_is_none_is_not_told(s: Story) -> None:
    s.w.slack.fail("chat.postMessage", Error("Cannot post to jonas@pipit.example!"))
    await s.file()
    found = await scrape(s)
    assert "jonas" not in found.text
    told = {"method": "chat.postMessage", "error": "other"}
    assert found.value("nolone_slack_errors_total", **told) == 1


async def test_messages_that_slack_does_not_take_show_as_depth_and_age(s: Story) -> None:
    await s.file()
    s.ws.archive(REVIEW)
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    s.w.clock.skip(10 * MINUTE)
    found = await scrape(s)
    assert found.value("nolone_outbox_rows", kind="card") == 1
    assert found.value("nolone_outbox_undelivered", kind="card") == 1
    assert found.value("nolone_outbox_rows", kind="thread") >= 2
    assert found.value("nolone_outbox_oldest_seconds", kind="card") >= 600
    assert found.value("nolone_outbox_oldest_seconds", kind="thread") >= 600


async def test_a_lost_lease_is_counted(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.slow = 0.1
    s.w.clock.skip(5 * MINUTE)
    leased = "SELECT 1 AS yes FROM outbox WHERE what = 'execute' AND leased_until > 0"
    while not await s.w.store.run(lambda tx: tx.query(leased)):
        await asyncio.sleep(0.005)
    another = "UPDATE outbox SET fence = fence + 1, leased_until = :until WHERE what = 'execute'"
    until = s.w.clock.now() + 20 * SECOND
    assert await s.w.store.run(lambda tx: tx.execute(another, until=until)) == 1
    while any(task.get_name().startswith("execute of") for task in asyncio.all_tasks()):
        await asyncio.sleep(0.01)
    found = await scrape(s)
    assert found.value("nolone_leases_lost_total", kind="execute") == 1
    assert found.value("nolone_requests", phase="executing") == 1
    assert found.value("nolone_executions_total", outcome="verified") == 0


async def test_a_scrape_waits_for_no_database(s: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "LOOK_WITHIN", 0.1)
    let_go = asyncio.Event()
    asked = 0

    async def never(script: object) -> None:
        nonlocal asked
        asked += 1
        await let_go.wait()
        raise AssertionError

    monkeypatch.setattr(s.w.store, "look", never)
    began = time.monotonic()
    found = await scrape(s)
    assert time.monotonic() - began < 1
    assert found.value("nolone_database_up") == 0
    assert "nolone_requests{" not in found.text  # nothing old is told as new
    assert "nolone_build_info{" in found.text
    await asyncio.gather(*(scrape(s) for _ in range(5)))
    assert asked == 1  # never twice at a time


async def test_each_bot_counts_for_itself_and_nothing_is_global(
    s: Story, clock: SandboxClock, tmp_path: Path
) -> None:
    await s.file()
    async with world(clock, tmp_path / "another.db") as w:
        other = await scrape(Story(w))
    assert other.value("nolone_events_total", kind="Filed") == 0
    assert not [f for f in REGISTRY.collect() if f.name.startswith("nolone")]


async def test_prometheus_own_format_is_there_for_whoever_asks(s: Story) -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    async with (
        aiohttp.ClientSession(headers=accept) as session,
        session.get(f"{s.w.url}/metrics") as answer,
    ):
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await answer.text()).endswith("# EOF\n")


async def test_no_label_names_anybody(s: Story) -> None:
    await story(s)
    found = await scrape(s)
    slack, platform = s.w.slack, s.w.platform
    named = [slack.bot_token, slack.app_token, slack.signing_secret, platform.token]
    named += [WHAT, EVIDENCE, REASON, TICKET, CLAUSE, "pres1dent", "acct-", "pipit", "letter-77"]
    named += [AGENT, TESSA, OMAR, LENA, "R-1", ADA, PRES1DENT]
    named += [a.display_name for a in platform.accounts.values()]
    for word in named:
        assert word not in found.text, word
    assert not re.search(r"\bU0\d", found.text)


async def test_a_bot_tells_exactly_what_the_reference_lists(s: Story) -> None:
    await s.executed()
    told = re.findall(r"^# TYPE (nolone_\S+) ", (await scrape(s)).text, re.MULTILINE)
    assert sorted(told) == [name for name, *_ in families()]
