"""`nolone check`: every wrong thing has its own line, and its remedy."""

import asyncio
import sqlite3
import sys

import pytest

from bot.check import everything
from bot.manifest import SCOPES
from bot.sandbox.slack import Error

from .conftest import Installation


async def lines() -> list[str]:
    return [finding.whole for finding in await everything()]


async def migrated(installed: Installation) -> None:
    done = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", "migrate")
    assert await done.wait() == 0


async def test_a_good_installation_has_nothing_wrong(installed: Installation) -> None:
    await migrated(installed)
    said = await lines()
    assert [line for line in said if not line.startswith("ok ")] == []
    assert len(said) >= 10


async def test_a_database_that_is_not_there_yet_is_told_to_be_migrated(
    installed: Installation,
) -> None:
    assert any("run `nolone migrate`" in line for line in await lines())


async def test_each_missing_scope_is_named_with_what_it_is_for(installed: Installation) -> None:
    installed.slack._api.scopes = frozenset(set(SCOPES) - {"usergroups:read"})
    said = [line for line in await lines() if line.startswith("WRONG  scopes")]
    assert len(said) == 1
    assert "usergroups:read (who is in the reviewers' user groups)" in said[0]
    assert "reinstall" in said[0]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda i: i.slack.workspace.archive("C02REV"), "archived"),
        (lambda i: i.slack.workspace.share("C02REV"), "shared with another organisation"),
        (lambda i: i.slack.workspace.leave("C02REV", i.slack.workspace.bot.id), "Invite the bot"),
        (lambda i: i.slack.set_token_error("token_revoked"), "Slack answers token_revoked"),
        (lambda i: i.slack.workspace.set_usergroup("S01TS", []), "nobody is in it"),
        (lambda i: i.slack.workspace.disable_usergroup("S01TS"), "group trust-safety"),
        (lambda i: i.slack.workspace.user_change("U05LEGAL", deleted=True), ": U05LEGAL"),
        (lambda i: setattr(i.platform, "token", "another"), "platform demo"),
        (lambda i: i.slack.fail("auth.test", Error("fatal_error")), "Slack answers fatal_error"),
        (
            lambda i: i.policy.write_text(i.policy.read_text().replace("T01TEST", "T99OTHER")),
            "the policy says T99OTHER",
        ),
        (lambda i: i.policy.write_text("version: 1\nteirs: []\n"), "policy.yaml:2"),
    ],
)
async def test_what_is_wrong_is_named(installed: Installation, break_it: object, said: str) -> None:
    await migrated(installed)
    assert callable(break_it)
    break_it(installed)
    bad = [line for line in await lines() if not line.startswith("ok ")]
    assert any(said in line for line in bad), bad


async def test_a_platform_setting_that_is_missing_is_named(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEMO_TOKEN")
    assert "WRONG  platform: DEMO_TOKEN: it is not set" in await lines()
    monkeypatch.setenv("NOLONE_PLATFORMS", "demmo")
    assert any("There is no platform 'demmo'" in line for line in await lines())


# --- anchors -------------------------------------------------------------------------------------


def with_tier(installed: Installation, line: str) -> None:
    text = installed.policy.read_text()
    top = "cool_off: 30m\n"
    installed.policy.write_text(text.replace(top, f"{top}    {line}\n"))


def without_channel(installed: Installation) -> None:
    text = installed.policy.read_text()
    installed.policy.write_text(text.replace(", anchors: C03ANC", ""))


async def about(what: str) -> list[str]:
    return [line for line in await lines() if what in line]


async def test_an_anchor_without_a_key_is_refused(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOLONE_SIGNING_KEY_FILE")
    (said,) = await about("anchors (")
    assert said.startswith("WRONG  anchors (directory")
    assert "NOLONE_SIGNING_KEY_FILE is not set" in said
    assert "nolone keygen FILE" in said


async def test_a_channel_that_the_bot_posts_to_itself_is_called_the_weaker_way(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANCHOR_CHANNEL_WEBHOOK")
    (said,) = await about("ANCHOR_CHANNEL_WEBHOOK")
    assert said.startswith("note   anchors channel C03ANC: the bot posts checkpoints itself")


async def test_a_key_that_others_can_read_is_refused(installed: Installation) -> None:
    (installed.folder / "signing.key").chmod(0o644)
    (said,) = await about("anchors (")
    assert said.startswith("WRONG")
    assert "chmod 600" in said


async def test_without_any_anchor_the_tiers_that_start_unkept_are_named(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_channel(installed)
    monkeypatch.delenv("NOLONE_ANCHORS")
    (said,) = await about("anchors:")
    assert said.startswith("note ")
    assert "nobody outside keeps this trail's checkpoints: public-office start without" in said


async def test_a_strict_tier_without_any_anchor_is_refused(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_channel(installed)
    with_tier(installed, "strict: true")
    monkeypatch.delenv("NOLONE_ANCHORS")
    (said,) = await about("anchors:")
    assert said.startswith("WRONG  anchors: public-office would wait for an anchor for ever")
    assert "NOLONE_ANCHORS" in said


async def test_a_folder_that_is_not_there_is_named(installed: Installation) -> None:
    (installed.folder / "anchors").rmdir()
    (said,) = await about("anchor directory")
    assert "No such file" in said


async def test_what_an_anchor_lacks_in_the_environment_is_named(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANCHOR_DIRECTORY_PATH")
    assert "WRONG  anchor: ANCHOR_DIRECTORY_PATH: it is not set" in await lines()
    monkeypatch.setenv("NOLONE_ANCHORS", "directry")
    assert any("There is no anchor 'directry'" in line for line in await lines())


async def test_a_webhook_that_is_none_is_named_and_not_shown(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_CHANNEL_WEBHOOK", "http://evil.example/s3cret")
    (said,) = await about("ANCHOR_CHANNEL_WEBHOOK")
    assert "copy it from the second app" in said
    assert "s3cret" not in said


async def test_what_waits_for_slack_is_counted_with_what_is_wrong(
    installed: Installation,
) -> None:
    await migrated(installed)
    assert "ok     messages, 0 wait to be sent" in await lines()
    database = sqlite3.connect(installed.policy.parent / "nolone.db")
    for n, error in enumerate(("not_in_channel", "not_in_channel", None)):
        database.execute(
            "INSERT INTO outbox (key, lane, stream, seq, what, recipient, due_at, asked_at, error)"
            " VALUES (?, 'channel', 'R-1', ?, 'thread', '', 0, 1790000000000, ?)",
            (f"R-1/{n}/thread", n, error),
        )
    database.commit()
    (said,) = [line for line in await lines() if line.startswith("note   messages")]
    assert "2 since 2026-09-21T14:13:20Z: not_in_channel. See docs/how-to/" in said
