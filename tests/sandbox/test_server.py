"""The page's server: who gets in, what it does, and what it tells live."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.ledger.entry import LedgerBroken
from bot.sandbox.server import (
    Served,
    forget_settings,
    refuse_beside_real_slack,
    run_sandbox,
    serve,
)
from bot.sandbox.stage import ROLES
from bot.sandbox.world import ANCHORS, LOBBY, REVIEW
from bot.settings import SettingsError

START = 1_790_000_000_000
FORM = {"reason.value": "impersonation", "what.value": "Free coins."}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve(base=lambda: START) as made:
        yield made


@pytest.fixture
async def page(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(served.url) as session:
        yield session


Page = aiohttp.ClientSession


async def post(page: Page, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    async with page.post(path, json=body or {}, headers=headers) as answer:
        return answer.status, await answer.json()


async def act(page: Page, who: str, do: str, **more: object) -> Any:
    status, answer = await post(page, "/api/act", {"who": who, "do": do, **more})
    assert status == 200, answer
    return answer


async def seen_by(page: Page, who: str) -> Any:
    async with page.get("/api/state", params={"who": who}) as answer:
        return await answer.json()


def messages(state: Any, channel: str = REVIEW) -> Any:
    return next(c for c in state["screen"]["channels"] if c["id"] == channel)["messages"]


async def file(page: Page, served: Served, handle: str = "@pres1dent") -> dict[str, str]:
    """File a request; where its card stands."""
    command = {"command": "/request-deactivate", "text": handle, "channel": LOBBY}
    await act(page, "U01AGENT", "command", **command)
    await served.sandbox.world.settled()
    assert (await act(page, "U01AGENT", "submit", values=FORM))["ok"]
    await act(page, "U01AGENT", "close")
    await served.sandbox.world.settled()
    card = messages(await seen_by(page, "U01AGENT"))[0]
    return {"channel": card["channel"], "ts": card["ts"]}


async def approve(page: Page, served: Served, card: dict[str, str]) -> None:
    await act(page, "U02REV", "click", where=card, action_id="approve")
    await served.sandbox.world.settled()


def account(state: Any, id: str) -> Any:
    return next(a for a in state["accounts"] if a["id"] == id)


# --- who gets in -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
async def test_a_name_that_was_made_to_lead_here_is_refused(page: Page, host: str) -> None:
    for path in ("/", "/api/state", "/api/live", "/pipit/@president"):
        async with page.get(path, headers={"Host": host}) as answer:
            assert answer.status == 421


@pytest.mark.parametrize("host", ["localhost:8080", "[::1]:8080", "127.0.0.1"])
async def test_the_names_of_this_machine_are_taken(page: Page, host: str) -> None:
    async with page.get("/", headers={"Host": host}) as answer:
        assert answer.status == 200


async def test_another_site_cannot_click(page: Page, served: Served) -> None:
    before = len(served.sandbox.world.slack.deliveries)
    asked = {"who": "U01AGENT", "do": "home"}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        status, _ = await post(page, "/api/act", asked, **headers)
        assert status == 403
        status, _ = await post(page, "/api/reset", **headers)
        assert status == 403
    assert len(served.sandbox.world.slack.deliveries) == before
    assert served.sandbox.number == 1
    status, _ = await post(page, "/api/act", asked, Origin=served.url)
    assert status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_taken(page: Page, kind: str) -> None:
    """What a form on another site can send without asking is not."""
    async with page.post("/api/reset", data=b"{}", headers={"Content-Type": kind}) as answer:
        assert answer.status == 415


async def test_a_link_changes_nothing(page: Page) -> None:
    for path in ("/api/act", "/api/skip", "/api/reset"):
        async with page.get(path) as answer:
            assert answer.status == 405


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"who": "U01AGENT", "do": "dance"},
        {"who": "U01AGENT", "do": "home", "more": 1},
        {"who": "U01AGENT", "do": "command", "command": "/other", "channel": REVIEW},
        [],
    ],
)
async def test_what_is_not_understood_is_refused(page: Page, asked: object) -> None:
    status, answer = await post(page, "/api/act", asked)
    assert (status, answer["ok"]) == (400, False)


@pytest.mark.parametrize("who", ["U99NOBODY", "U01NOLONE", "USLACKBOT"])
async def test_one_can_only_be_one_of_the_personas(page: Page, who: str) -> None:
    status, _ = await post(page, "/api/act", {"who": who, "do": "home"})
    assert status == 409
    async with page.get("/api/state", params={"who": who}) as answer:
        assert answer.status == 404


async def test_what_is_not_on_the_screen_cannot_be_clicked(page: Page, served: Served) -> None:
    card = await file(page, served)
    for asked in (
        {"do": "click", "where": card, "action_id": "launch"},
        {"do": "click", "where": {"channel": REVIEW, "ts": "1.2"}, "action_id": "approve"},
        {"do": "click", "where": {"view": "V1"}, "action_id": "approve"},
        {"do": "submit", "values": {}},
        {"do": "say", "text": "hello", "channel": "C99"},
        {"do": "say", "text": "hello", "channel": "DU01AGENT"},
    ):
        status, answer = await post(page, "/api/act", {"who": "U02REV", **asked})
        assert status == 409, answer


# --- its files ---------------------------------------------------------------------------------


async def test_the_page_loads_nothing_from_elsewhere(page: Page) -> None:
    async with page.get("/") as answer:
        assert answer.content_type == "text/html"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        text = await answer.text()
    assert "//" not in text.replace("<!doctype html>", "")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("main.js", "text/javascript"),
        ("style.css", "text/css"),
        ("mark.svg", "image/svg+xml"),
        ("fonts/next-latin.woff2", "font/woff2"),
    ],
)
async def test_its_files_have_their_types(page: Page, name: str, kind: str) -> None:
    async with page.get(f"/page/{name}") as answer:
        assert (answer.status, answer.content_type) == (200, kind)


@pytest.mark.parametrize("name", ["..%2fserver.py", "../server.py", "fonts", "nothing.js"])
async def test_no_other_files_are_served(page: Page, name: str) -> None:
    async with page.get(f"/page/{name}") as answer:
        assert answer.status == 404


# --- what people do ----------------------------------------------------------------------------


async def test_a_request_is_filed_approved_executed_and_restored(
    page: Page, served: Served
) -> None:
    card = await file(page, served)
    await approve(page, served, card)
    state = await seen_by(page, "U02REV")
    assert state["cooling"] == [
        {
            "id": "R-1",
            "action": "deactivate",
            "handle": "pres1dent",
            "since": START,
            "eta": START + 300_000,
        }
    ]
    status, answer = await post(page, "/api/skip")
    assert (status, answer["skipped"]) == (200, 300_001)
    await served.sandbox.world.settled()
    state = await seen_by(page, "U02REV")
    assert not account(state, "acct-1001")["there"]
    assert state["cooling"] == []
    await act(page, "U03REV", "click", where=card, action_id="restore")
    await act(page, "U03REV", "submit", values={"reason.value": "A parody."})
    await served.sandbox.world.settled()
    assert account(await seen_by(page, "U02REV"), "acct-1001")["there"]


async def test_a_choice_in_the_menu_is_sent(page: Page, served: Served) -> None:
    card = await file(page, served)
    shown = messages(await seen_by(page, "U01AGENT"))[0]
    row = next(b for b in shown["blocks"] if b["type"] == "actions")
    menu = next(e for e in row["elements"] if e["type"] == "overflow")
    withdraw = next(o["value"] for o in menu["options"] if o["value"].startswith("withdraw"))
    await act(page, "U01AGENT", "choose", where=card, action_id="more", choice=withdraw)
    await served.sandbox.world.settled()
    assert "Withdrawn" in str(messages(await seen_by(page, "U01AGENT"))[0]["blocks"])


async def test_what_the_client_would_not_send_is_said_in_the_form(page: Page) -> None:
    command = {"command": "/request-deactivate", "text": "", "channel": LOBBY}
    await act(page, "U01AGENT", "command", **command)
    assert (await act(page, "U01AGENT", "submit"))["error"] == "incomplete"
    (view,) = (await seen_by(page, "U01AGENT"))["screen"]["views"]
    assert view["errors"] == {"handle": "Please complete this required field."}
    await act(page, "U01AGENT", "fill", values={"handle.value": "@ada"})
    (view,) = (await seen_by(page, "U01AGENT"))["screen"]["views"]
    assert view["state"]["values"]["handle"]["value"]["value"] == "@ada"


async def test_what_people_say_is_escaped_as_slack_does(page: Page) -> None:
    await act(page, "U07GUEST", "say", text="<!channel> & co", channel=LOBBY)
    (said,) = messages(await seen_by(page, "U02REV"), LOBBY)
    assert said["text"] == "&lt;!channel&gt; &amp; co"
    assert "bot_id" not in said


async def test_private_answers_are_private(page: Page, served: Served) -> None:
    card = await file(page, served)
    await act(page, "U01AGENT", "click", where=card, action_id="approve")
    await served.sandbox.world.settled()
    mine = [m for m in messages(await seen_by(page, "U01AGENT")) if m["ephemeral"]]
    assert "somebody else has to decide" in mine[0]["text"]
    assert not [m for m in messages(await seen_by(page, "U02REV")) if m["ephemeral"]]


# --- time --------------------------------------------------------------------------------------


async def test_minutes_pass_when_told_to(page: Page) -> None:
    await post(page, "/api/skip", {"minutes": 90})
    state = await seen_by(page, "U01AGENT")
    assert (state["now"], state["skipped"]) == (START + 5_400_000, 5_400_000)


@pytest.mark.parametrize("minutes", [0, -5, 10**9, "soon", 1.5])
async def test_time_passes_forward_and_in_reason(page: Page, minutes: object) -> None:
    status, _ = await post(page, "/api/skip", {"minutes": minutes})
    assert status == 400


async def test_without_a_cool_off_there_is_nothing_to_skip(page: Page) -> None:
    status, answer = await post(page, "/api/skip")
    assert (status, answer["error"]) == (409, "nothing is cooling off")


# --- live --------------------------------------------------------------------------------------


async def heard(stream: aiohttp.StreamReader) -> Any:
    while True:
        async with asyncio.timeout(5):
            line = await stream.readline()
        if line.startswith(b"data: "):
            return json.loads(line[6:])


async def test_what_one_does_the_others_are_told(page: Page, served: Served) -> None:
    async with page.get("/api/live", params={"who": "U05LEGAL"}) as live:
        assert live.content_type == "text/event-stream"
        state = await heard(live.content)
        assert messages(state) == []
        await file(page, served)
        while not messages(state):
            state = await heard(live.content)
    assert "R-1" in messages(state)[0]["text"]


async def test_what_happens_on_the_platform_is_told(page: Page, served: Served) -> None:
    async with page.get("/api/live") as live:
        state = await heard(live.content)
        served.sandbox.world.platform.deactivate("acct-1002", by="somebody")
        while account(state, "acct-1002")["there"]:
            state = await heard(live.content)
    async with page.get("/pipit/@ada") as answer:
        assert answer.status == 404
        assert "doesn't exist" in await answer.text()


async def test_pages_of_the_platform_are_shown_and_nothing_else_of_it(page: Page) -> None:
    async with page.get("/pipit/@president") as answer:
        assert answer.status == 200
        assert "43,600,000" in await answer.text()
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    for path in ("/pipit/api/me", "/pipit/feed.json", "/pipit/@a%2f..%2fapi%2fme", "/pipit/@a%3Fb"):
        async with page.get(path) as answer:
            assert answer.status == 404


# --- under the hood ----------------------------------------------------------------------------


async def hood(page: Page, kind: str, after: int | str = 0) -> tuple[int, Any]:
    async with page.get(f"/api/hood/{kind}", params={"after": after}) as answer:
        return answer.status, await answer.json()


async def test_under_the_hood_is_every_delivery_call_and_entry(page: Page, served: Served) -> None:
    await file(page, served)
    _, answer = await hood(page, "deliveries")
    assert [d["kind"] for d in answer["rows"]] == ["command", "view_submission"]
    assert answer["rows"][0]["headers"]["X-Slack-Signature"].startswith("v0=")
    assert answer["rows"][0]["who"] == "U01AGENT"
    _, answer = await hood(page, "calls")
    assert "views.open" in [c["method"] for c in answer["rows"]]
    _, answer = await hood(page, "entries")
    assert [e["kind"] for e in answer["rows"]] == ["PolicyAdopted", "Filed"]
    filed = answer["rows"][1]
    assert json.loads(filed["body"])["data"]["grounds"].keys() == {"sealed"}
    assert filed["openings"]
    _, answer = await hood(page, "entries", after=1)
    assert [e["n"] for e in answer["rows"]] == [2]
    assert (await hood(page, "entries", after="x"))[0] == 400


async def test_no_secret_of_the_platform_is_shown(page: Page, served: Served) -> None:
    await approve(page, served, await file(page, served))
    token = served.sandbox.world.platform.token
    said = [await seen_by(page, who) for who in ROLES]
    said += [(await hood(page, kind))[1] for kind in ("deliveries", "calls", "entries")]
    assert token not in json.dumps(said)


# --- starting over -----------------------------------------------------------------------------


async def test_a_reset_begins_a_fresh_world(page: Page, served: Served) -> None:
    await file(page, served)
    before = served.sandbox.world
    await post(page, "/api/skip", {"minutes": 5})
    async with page.get("/api/live") as live:
        state = await heard(live.content)
        assert state["world"] == 1
        status, answer = await post(page, "/api/reset")
        assert (status, answer["world"]) == (200, 2)
        while state["world"] == 1:
            state = await heard(live.content)
    assert messages(state) == []
    assert (state["now"], state["hood"]["deliveries"]) == (START, 0)
    assert not before.database.exists()
    await file(page, served)


async def test_the_database_is_gone_at_the_end() -> None:
    async with serve(base=lambda: START) as made:
        path = made.sandbox.world.database
        assert path.exists()
    assert not path.parent.exists()


# --- beside real things ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"])
def test_it_does_not_start_beside_a_real_workspaces_secrets(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "xoxb-real")
    with pytest.raises(SettingsError, match=name):
        run_sandbox(0)


def test_it_says_how_to_start_it_without_them_and_keeps_the_secret() -> None:
    with pytest.raises(SettingsError) as e:
        refuse_beside_real_slack({"SLACK_BOT_TOKEN": "xoxb-real"})
    assert "env -u SLACK_BOT_TOKEN nolone sandbox" in str(e.value)
    assert "xoxb-real" not in str(e.value)


def test_nothing_of_the_environment_leads_out_of_it() -> None:
    environment = {
        "DATABASE_URL": "postgresql://real",
        "slack_api_url": "https://slack.com/api/",
        "https_proxy": "http://proxy:3128",
        "HTTP_PROXY": "http://proxy:3128",
        "PORT": "x",
        "HOME": "/home/me",
    }
    forget_settings(environment)
    assert environment == {"HOME": "/home/me"}


def test_a_taken_port_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="cannot be used"):
            run_sandbox(taken.getsockname()[1])


def test_it_prints_one_address_and_ends_when_told(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLACK_")}
    environment |= {"DATABASE_URL": "nonsense", "HTTP_PROXY": "http://127.0.0.1:9"}
    environment["TMPDIR"] = str(tmp_path)
    run = "from bot.sandbox.server import run_sandbox; run_sandbox(0)"
    with subprocess.Popen(
        [sys.executable, "-c", run],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=10)
    assert (process.returncode, rest, errors) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


# --- behind the bot's back -----------------------------------------------------------------------


async def test_what_was_tampered_with_is_said_in_words_and_a_fresh_world_knows_nothing_of_it(
    page: Page, served: Served
) -> None:
    await file(page, served)
    status, answer = await post(page, "/api/tamper", {"way": "edit"})
    said = "Entry 2 said that Bruno filed R-1. Now it says Tessa."
    assert (status, answer["said"]) == (200, said)
    assert (await seen_by(page, "U09MANAGER"))["tampered"] == [said]
    verify = {"command": "/audit", "text": "verify", "channel": LOBBY}
    await act(page, "U09MANAGER", "command", **verify)
    (found,) = messages(await seen_by(page, "U09MANAGER"), LOBBY)
    assert found["text"].startswith("The trail is not as it was: edited.")
    await post(page, "/api/reset")
    assert (await seen_by(page, "U09MANAGER"))["tampered"] == []


async def test_what_cannot_be_tampered_with_is_said(page: Page, served: Served) -> None:
    status, answer = await post(page, "/api/tamper", {"way": "edit"})
    assert (status, answer["ok"]) == (409, False)
    assert "file a request first" in answer["error"]
    assert (await post(page, "/api/tamper", {"way": "burn"}))[0] == 400
    assert (await seen_by(page, "U01AGENT"))["tampered"] == []


async def test_a_bot_that_has_stopped_is_shown_and_a_reset_makes_another(
    page: Page, served: Served
) -> None:
    await file(page, served)
    assert (await seen_by(page, "U01AGENT"))["stopped"] == ""
    await post(page, "/api/tamper", {"way": "delete"})
    verify = {"command": "/audit", "text": "verify", "channel": LOBBY}
    await act(page, "U09MANAGER", "command", **verify)
    await asyncio.wait({served.sandbox.world.bot.working})
    state = await seen_by(page, "U09MANAGER")
    assert "the tree is not one over 1 entries" in state["stopped"]
    assert messages(state, LOBBY)[0]["text"].startswith("The trail is not as it was: truncated.")
    assert (await post(page, "/api/reset"))[0] == 200
    assert (await seen_by(page, "U09MANAGER"))["stopped"] == ""


async def test_whoever_watches_sees_the_bot_stop(page: Page, served: Served) -> None:
    async with page.get("/api/live", params={"who": "U01AGENT"}) as live:
        await heard(live.content)
        await served.sandbox.world.settled()
        served.sandbox.world.bot.worker.stop(LedgerBroken("the tree is gone"))
        while not (state := await heard(live.content))["stopped"]:
            pass
    assert state["stopped"] == "the tree is gone"


async def test_the_anchors_channel_is_for_members_and_shows_what_another_app_posted(
    page: Page, served: Served
) -> None:
    await served.sandbox.world.bot.anchoring.round()
    (posted,) = messages(await seen_by(page, "U09MANAGER"), ANCHORS)
    assert posted["name"] == "trail-keeper"
    for stranger in ("U07GUEST", "U08OTHER"):
        channels = (await seen_by(page, stranger))["screen"]["channels"]
        assert ANCHORS not in [c["id"] for c in channels]
