"""The whole job on a real platform: `nolone run` as a process, a Slack, and Matrix Synapse."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.sandbox.slack.records import Message
from bot.sandbox.world import LOBBY, REVIEW
from tests.platforms.synapse import Server, serve

from .conftest import Installation
from .test_run import address, bot, stopped

pytestmark = pytest.mark.synapse

POLICY = """\
version: 1
workspace: T01TEST
channels: {review: C02REV}
people:
  agents: {users: [U01AGENT]}
  managers: {users: [U09MANAGER]}
  reviewers:
    trust-safety: {usergroup: S01TS}
    legal: {users: [U05LEGAL]}
subjects:
  "@alice:ts.localhost": {tags: [public-office]}
tiers:
  - name: public-office
    when: {any: [{tag: public-office}, {platform_role: admin}]}
    quorum: {approvals: 2, including: {legal: 1}}
    cool_off: 2s
    open_for: 24h
    run_within: 1h
  - name: standard
    quorum: {approvals: 1}
    cool_off: 1s
    open_for: 8h
    run_within: 1h
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("synapse")) as running:
        yield running


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.05)


async def test_a_matrix_account_is_locked_by_two_people_and_given_back_by_one(
    installed: Installation, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOLONE_PLATFORMS", "synapse")
    monkeypatch.setenv("SYNAPSE_URL", server.url)
    monkeypatch.setenv("SYNAPSE_TOKEN", server.token)
    Path(installed.policy).write_text(POLICY)
    mallory = await server.add("mallory")
    assert await (await bot("migrate")).wait() == 0
    running = await bot("run")
    slack, ws = installed.slack, installed.slack.workspace
    slack.deliver_to(f"{await address(running)}/slack/events")

    def card() -> Message:
        return ws.messages(REVIEW)[0]

    agent, tessa, omar = (slack.as_user(u) for u in ("U01AGENT", "U02REV", "U03REV"))
    await agent.command("/request-deactivate", "@mallory", channel=LOBBY)
    await until(lambda: mallory in str(ws.views("U01AGENT")[-1:]))
    form = str(ws.views("U01AGENT")[-1].blocks)
    assert "followers: unknown" in form  # what Synapse does not say is not made up
    await agent.submit({"reason.value": "scam-phishing", "what.value": "Asks people for money."})
    await until(lambda: bool(ws.messages(REVIEW)))

    await tessa.click(card(), "approve")
    await until(lambda: "Executed" in str(card().blocks))
    assert "the effect was seen (" in str(card().blocks)
    assert await server.whoami(mallory) == 401  # their own session is locked out

    await omar.click(card(), "restore")
    await omar.submit({"reason.value": "They were hacked, and are back."})
    await until(lambda: "*Restored* after" in str(card().blocks))
    assert await server.whoami(mallory) == 200  # and works again: nothing was lost
    assert await stopped(running) == 0


async def test_a_typo_and_an_administrator_are_refused_in_the_form(
    installed: Installation, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOLONE_PLATFORMS", "synapse")
    monkeypatch.setenv("SYNAPSE_URL", server.url)
    monkeypatch.setenv("SYNAPSE_TOKEN", server.token)
    Path(installed.policy).write_text(POLICY)
    assert await (await bot("migrate")).wait() == 0
    running = await bot("run")
    slack, ws = installed.slack, installed.slack.workspace
    slack.deliver_to(f"{await address(running)}/slack/events")
    agent = slack.as_user("U01AGENT")
    for handle, why in (
        ("@malory", "There is no such account"),
        ("@breakglass", "an administrator of the platform"),
        ("@nolone", "that the bot itself acts with"),
    ):
        await agent.command("/request-deactivate", handle, channel=LOBBY)
        await until(lambda why=why: why in str(ws.views("U01AGENT")[-1].blocks))  # type: ignore[misc]
        await agent.close()
    status, _ = await server.admin("GET", "/v2/users/@malory:ts.localhost")
    assert status == 404  # looking for it did not make it
    assert await stopped(running) == 0
