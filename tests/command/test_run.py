"""`nolone run`, as a process of its own."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process

import aiohttp
import psycopg
import pytest

from bot.manifest import SCOPES
from tests.postgres import database_url

from .conftest import Installation


async def bot(*args: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *args, stdout=PIPE, stderr=PIPE
    )


async def address(process: Process) -> str:
    """Where it listens, from its log."""
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while line := (await process.stderr.readline()).decode():
            if found := re.search(r"listening on (\S+)", line):
                return f"http://{found[1]}"
    raise AssertionError("it never listened")


async def stopped(process: Process) -> int:
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_a_bot_serves_slack_and_stops_when_told(installed: Installation, mode: str) -> None:
    assert await (await bot("migrate")).wait() == 0
    running = await bot("run", *(["--socket"] if mode == "socket" else []))
    url = await address(running)
    if mode == "socket":
        await installed.slack.sockets.connected(1)
    else:
        installed.slack.deliver_to(f"{url}/slack/events")
    async with aiohttp.ClientSession() as session:
        assert (await session.get(f"{url}/healthz")).status == 200
        assert (await session.get(f"{url}/readyz")).status == 200
        open_to_post = (await session.post(f"{url}/slack/events", data="x")).status
        assert open_to_post == (404 if mode == "socket" else 401)

    agent = installed.slack.as_user("U01AGENT")
    answer = await agent.command("/request-deactivate", "help", channel="C02REV")
    assert answer.status == 200
    (said,) = installed.slack.workspace.ephemerals("U01AGENT")
    assert "looks an account up" in said.text
    assert await stopped(running) == 0


async def test_a_database_that_was_not_migrated_is_refused_with_the_remedy(
    installed: Installation,
) -> None:
    _, err = await (process := await bot("run")).communicate()
    assert process.returncode == 1
    assert b"run `nolone migrate`" in err
    assert b"Traceback" not in err


async def test_missing_scopes_are_refused_at_start(installed: Installation) -> None:
    assert await (await bot("migrate")).wait() == 0
    installed.slack._api.scopes = frozenset(set(SCOPES) - {"users:read.email"})
    _, err = await (process := await bot("run")).communicate()
    assert process.returncode == 1
    assert b"users:read.email (which accounts are one person)" in err


async def test_a_policy_for_another_workspace_is_refused_and_leaves_no_entry(
    installed: Installation,
) -> None:
    assert await (await bot("migrate")).wait() == 0
    good = installed.policy.read_text()
    installed.policy.write_text(good.replace("T01TEST", "T99OTHER"))
    assert await (await bot("run")).wait() == 1
    installed.policy.write_text(good)
    running = await bot("run")
    await address(running)
    assert installed.slack.workspace.messages("C02REV") == []  # nothing changed, nothing is told
    assert await stopped(running) == 0


async def test_a_second_process_on_the_same_file_is_refused(installed: Installation) -> None:
    assert await (await bot("migrate")).wait() == 0
    running = await bot("run")
    await address(running)
    _, err = await (second := await bot("run")).communicate()
    assert second.returncode == 1
    assert b"in use by another process" in err
    assert await stopped(running) == 0


async def test_a_running_bot_leaves_checkpoints_that_hold_the_trail(
    installed: Installation,
) -> None:
    assert await (await bot("migrate")).wait() == 0
    running = await bot("run")
    url = await address(running)
    installed.slack.deliver_to(f"{url}/slack/events")
    anchors = installed.folder / "anchors"
    async with asyncio.timeout(20):
        while not (kept := [p for p in anchors.rglob("*") if p.is_file()]):
            await asyncio.sleep(0.05)
    said, _ = await (
        looking := await bot("audit", "verify", "--against", str(kept[0]))
    ).communicate()
    assert looking.returncode == 0
    assert f"It agrees with {kept[0]}".encode() in said
    assert await stopped(running) == 0


async def test_the_last_thing_that_a_bot_does_is_anchored(installed: Installation) -> None:
    assert await (await bot("migrate")).wait() == 0
    running = await bot("run")
    url = await address(running)
    installed.slack.deliver_to(f"{url}/slack/events")
    anchors = installed.folder / "anchors"
    async with asyncio.timeout(20):
        while not [p for p in anchors.rglob("*") if p.is_file()]:
            await asyncio.sleep(0.05)
    manager = installed.slack.as_user("U09MANAGER")
    for query in ("help", "state:vetoed"):  # an entry each, within the minute
        assert (await manager.command("/audit", query, channel="C02REV")).status == 200
    assert await stopped(running) == 0
    newest = max(int(p.name) for p in anchors.rglob("*") if p.is_file())
    assert newest == 3  # the policy, and the two


async def test_a_bot_that_was_set_back_says_so_and_publishes_nothing(
    installed: Installation,
) -> None:
    assert await (await bot("migrate")).wait() == 0
    earlier = {p.name: p.read_bytes() for p in installed.folder.glob("nolone.db*")}
    running = await bot("run")
    await address(running)
    anchors = installed.folder / "anchors"
    async with asyncio.timeout(20):
        while not (kept := [p for p in anchors.rglob("*") if p.is_file()]):
            await asyncio.sleep(0.05)
    assert await stopped(running) == 0
    for path in installed.folder.glob("nolone.db*"):
        path.unlink()
    for name, content in earlier.items():
        (installed.folder / name).write_bytes(content)
    installed.policy.write_text(
        installed.policy.read_text().replace("open_for: 24h", "open_for: 23h")
    )
    running = await bot("run")  # with another policy as its first entry
    url = await address(running)
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while (ready := await (await session.get(f"{url}/readyz")).json())["state"] == "ok":
            await asyncio.sleep(0.05)
    assert ready["state"] == "degraded"  # a veto must still come in
    why = ready["checks"]["anchors"]["why"]
    assert [w for w in why if "are not those that it keeps a checkpoint of" in w]
    assert [p for p in anchors.rglob("*") if p.is_file()] == kept
    assert await stopped(running) == 0


async def test_two_serve_one_postgresql_and_one_goes_on_when_the_other_is_killed(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url())
    assert await (await bot("migrate")).wait() == 0
    first, second = await bot("run"), await bot("run")
    urls = [await address(first), await address(second)]
    agent = installed.slack.as_user("U01AGENT")
    for url in urls:  # any takes any delivery
        installed.slack.deliver_to(f"{url}/slack/events")
        answer = await agent.command("/request-deactivate", "help", channel="C02REV")
        assert answer.status == 200
    first.kill()
    await first.communicate()
    async with aiohttp.ClientSession() as session:
        assert (await session.get(f"{urls[1]}/readyz")).status == 200
        text = await (await session.get(f"{urls[1]}/metrics")).text()
        assert "nolone_database_up 1.0" in text
    answer = await agent.command("/request-deactivate", "help", channel="C02REV")
    assert answer.status == 200
    assert await stopped(second) == 0


async def test_an_old_one_refuses_to_run_on_a_newer_schema(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database_url()
    monkeypatch.setenv("DATABASE_URL", url)
    assert await (await bot("migrate")).wait() == 0
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO nolone_migrations (name) VALUES ('9999 from tomorrow')")
    _, err = await (process := await bot("run")).communicate()
    assert process.returncode == 1
    assert b"made by a newer version (9999 from tomorrow)" in err
    assert b"Traceback" not in err
