"""Deliveries that Slack did not send, sent otherwise, or sent before."""

import asyncio
import io
import sqlite3
import threading
import time
import urllib.parse
from pathlib import Path

import aiohttp
import pytest

from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Delivery, Error
from bot.sandbox.world import LOBBY, World, world
from bot.store import ledger
from bot.store.tx import Tx
from stories.telling import AGENT, FORM, LENA, OMAR, TESSA, Outside, Story, text_of


def click_on_approve(s: Story) -> Delivery:
    return next(d for d in s.w.slack.deliveries if d.kind == "block_actions")


async def test_a_delivery_without_a_signature_is_refused(s: Story) -> None:
    await s.cooling_off()
    body = click_on_approve(s).body
    for headers in (
        {},
        {"X-Slack-Request-Timestamp": str(int(time.time()))},
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Request-Timestamp": "now", "X-Slack-Signature": "v0=" + "0" * 64},
    ):
        form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        delivery = await s.w.slack.deliver_raw(body, form)
        assert delivery.status == 401, delivery
    assert (await s.kinds()).count("Approved") == 1


async def test_a_forged_signature_is_refused(s: Story) -> None:
    await s.file()
    answer = await s.hand(TESSA).click(s.card(), "approve", confirm=True)
    assert answer.status == 200
    forged = click_on_approve(s)
    forged.headers["X-Slack-Signature"] = "v0=" + "a" * 64
    forged.body = forged.body.replace(TESSA.encode(), OMAR.encode())
    assert (await s.w.slack.redeliver(forged)).status == 401
    assert (await s.kinds()).count("Approved") == 1


async def test_an_altered_body_is_refused(s: Story) -> None:
    """Tessa's click, made out to be Lena's."""
    await s.file("@president")
    await s.approve(TESSA)
    for delivery in [d for d in s.w.slack.deliveries if d.kind != "command"]:
        assert TESSA.encode() in delivery.body or AGENT.encode() in delivery.body
        delivery.body = delivery.body.replace(TESSA.encode(), LENA.encode()).replace(
            AGENT.encode(), LENA.encode()
        )
        assert (await s.w.slack.redeliver(delivery)).status == 401
    await s.settle()
    assert await s.kinds() == ["Filed", "Approved"]


async def test_a_stale_delivery_is_refused(s: Story) -> None:
    await s.file()
    await s.click(TESSA, "veto")
    payload = click_on_approve(s)
    old = int(time.time()) - 5 * 60 - 1
    headers = {**payload.headers, **s.w.slack.sign(payload.body, old)}
    assert (await s.w.slack.deliver_raw(payload.body, headers)).status == 401


async def test_a_signature_of_another_app_is_refused(clock: SandboxClock, tmp_path: Path) -> None:
    async with world(clock, tmp_path / "db") as w:
        s = Story(w)
        await s.file()
        w.slack._courier._secret = "another-apps-secret"
        answer = await s.hand(TESSA).click(s.card(), "approve")
        assert answer.status == 401
        answer = await s.hand(AGENT).command("/request-deactivate", "help", channel=LOBBY)
        assert answer.status == 401
        assert await s.kinds() == ["Filed"]


async def test_a_get_changes_nothing(s: Story) -> None:
    await s.cooling_off()
    body = click_on_approve(s).body.decode()
    async with aiohttp.ClientSession() as session:
        for method in ("GET", "HEAD", "PUT"):
            async with session.request(
                method, f"{s.w.url}/slack/events?{body}", headers=s.w.slack.sign(b"")
            ) as response:
                assert response.status in (404, 405)
    assert (await s.kinds()).count("Approved") == 1


async def test_rubbish_with_a_good_signature_does_no_harm(w: World) -> None:
    s = Story(w)
    await s.file()
    for body in (
        b"",
        b"payload=",
        b"payload=%7B%7D",
        b"payload=%7B%22type%22%3A%22block_actions%22%7D",
        b"\xff\xfe",
        b"{" * 10_000,
        urllib.parse.urlencode({"payload": '{"type":"view_submission","view":{}}'}).encode(),
    ):
        form = {"Content-Type": "application/x-www-form-urlencoded", **s.w.slack.sign(body)}
        assert (await s.w.slack.deliver_raw(body, form)).status != 0
    assert await s.type(AGENT, "status") == (
        "*R-1* Deactivate @pres1dent · open · still needs one more reviewer"
    )


async def test_a_body_that_is_too_large_is_refused(s: Story) -> None:
    body = b"payload=" + b"x" * 2_000_000
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{s.w.url}/slack/events", data=io.BytesIO(body), headers=s.w.slack.sign(body)
        ) as response,
    ):
        assert response.status == 413


async def test_replays_within_the_five_minutes_count_once(s: Story) -> None:
    """Approve, retract, and the whole recording once more: the retraction stands."""
    await s.file()
    await s.approve(TESSA)
    await s.choose(TESSA, "Retract")
    kinds = await s.kinds()
    for delivery in [d for d in s.w.slack.deliveries if d.kind != "command"]:
        assert (await s.w.slack.redeliver(delivery)).status == 200
    await s.calm()
    assert await s.kinds() == kinds
    assert (await s.request()).approvals == ()
    assert await s.kinds("R-2") == []


async def test_replays_count_once_after_a_restart_too(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.file()
        await s.approve(TESSA)
        await s.choose(TESSA, "Retract")
        recorded = [d for d in slack.deliveries if d.kind == "block_actions"]
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        for delivery in recorded:
            assert (await slack.redeliver(delivery)).status == 200
        await s.calm()
        assert (await s.request()).approvals == ()


async def test_a_veto_and_a_withdrawal_by_command_that_come_twice(s: Story) -> None:
    await s.file()
    await s.type(AGENT, "withdraw R-1")
    (command,) = [d for d in s.w.slack.deliveries if b"withdraw" in d.body]
    again = await s.w.slack.redeliver(command)
    assert again.answer == "This was counted already: R-1, Deactivate @pres1dent, is withdrawn."
    assert await s.phase() is Phase.WITHDRAWN


async def test_a_refusal_does_not_use_a_delivery_up(s: Story) -> None:
    """The same click counts once there is nothing against it: only what changed is remembered."""
    await s.file()
    s.w.slack.fail("users.info", *[Error("fatal_error")] * 9)
    s.w.bot.engine.forget_person(TESSA)
    said = await s.approve(TESSA)
    assert "Slack could not be asked who you are" in said
    s.mend("users.info")
    click = click_on_approve(s)
    await s.w.slack.redeliver(click)
    await s.calm()
    assert await s.phase() is Phase.COOLING_OFF


async def test_what_was_committed_is_told_when_the_first_answer_was_lost(s: Story) -> None:
    """Slack repeats an event; a person repeats a form. Neither does anything twice."""
    await s.look_up()
    view = s.ws.views(AGENT)[0]
    await s.submit(AGENT, FORM)
    s.ws.modals._stacks[AGENT] = [view]
    (submission,) = [d for d in s.w.slack.deliveries if d.kind == "view_submission"]
    again = await s.w.slack.redeliver(submission)
    assert again.status == 200
    assert await s.kinds("R-2") == []
    assert "R-1" in text_of(s.card())


async def test_what_is_not_committed_is_not_acknowledged(s: Story) -> None:
    """An acknowledged click never comes again, so the ledger has it first."""
    await s.file()
    held, go_on = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        held.set()
        go_on.wait(5)

    holding = asyncio.create_task(s.w.store.run(hold))
    await asyncio.to_thread(held.wait, 5)
    click = asyncio.create_task(s.hand(TESSA).click(s.card(), "approve"))
    done, _ = await asyncio.wait({click}, timeout=0.15)
    assert not done, "acknowledged before it was committed"
    go_on.set()
    await holding
    assert (await click).status == 200
    assert "Approved" in await s.kinds()


async def test_what_could_not_be_committed_is_told_to_slack_as_it_is(
    s: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await s.file()

    def broken(*args: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", broken)
        answer = await s.hand(TESSA).click(s.card(), "approve")
        assert answer.status == 500
    caplog.clear()  # the worker may have shared that transaction, and said so
    assert await s.kinds() == ["Filed"]
    click = click_on_approve(s)
    assert (await s.w.slack.redeliver(click)).status == 200  # nothing of it was used up
    await s.calm()
    assert await s.phase() is Phase.COOLING_OFF
