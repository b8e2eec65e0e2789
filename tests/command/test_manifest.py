"""The manifest: what an installer pastes at Slack."""

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from bot.cli import main
from bot.manifest import EVENTS, SCOPES, manifest, text

ROOT = Path(__file__).parents[2]

# What Slack documents as the scopes of each method; one of a set is enough, by the kind of channel.
METHODS = {
    "apps_connections_open": [],
    "auth_test": [],
    "chat_delete": ["chat:write"],
    "chat_getPermalink": [],
    "chat_postMessage": ["chat:write"],
    "chat_update": ["chat:write"],
    "conversations_history": ["channels:history", "groups:history", "im:history"],
    "conversations_info": ["channels:read", "groups:read"],
    "conversations_open": ["im:write"],
    "conversations_replies": ["channels:history", "groups:history"],
    "files_completeUploadExternal": ["files:write"],
    "files_getUploadURLExternal": ["files:write"],
    "usergroups_users_list": ["usergroups:read"],
    "users_info": ["users:read", "users:read.email"],
    "views_open": [],
    "views_publish": [],
    "views_push": [],
    "views_update": [],
}
EVENT_SCOPES = {
    "app_home_opened": [],
    "subteam_members_changed": ["usergroups:read"],
    "user_change": ["users:read"],
}


def methods_called() -> set[str]:
    """The Web API methods that the bot's own code names on a client."""
    found = set()
    for file in [
        *(ROOT / "bot/slack").rglob("*.py"),
        *(ROOT / "bot/anchors").rglob("*.py"),
        ROOT / "bot/check.py",
    ]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and re.fullmatch(
                r"(apps|auth|chat|conversations|usergroups|users|views|files|pins)_\w+", node.attr
            ):
                found.add(node.attr)
    return found - {"users"}


def test_the_scopes_are_those_of_the_methods_called_and_events_used_and_no_more() -> None:
    called = methods_called()
    assert called, "no call was found: the search is broken"
    assert called <= set(METHODS), f"write down the scopes of {called - set(METHODS)}"
    assert called == set(METHODS), f"no longer called: {set(METHODS) - called}"
    needed = {scope for method in called for scope in METHODS[method]}
    needed |= {scope for event in EVENTS for scope in EVENT_SCOPES[event]}
    assert set(SCOPES) == needed | {"commands"}


def test_the_events_are_those_that_the_app_listens_to() -> None:
    source = (ROOT / "bot/slack/app.py").read_text()
    assert set(re.findall(r'@app\.event\("(\w+)"\)', source)) == set(EVENTS)


def test_the_commands_are_those_that_the_app_answers() -> None:
    source = (ROOT / "bot/slack/app.py").read_text()
    said = {c["command"] for c in manifest(None)["features"]["slash_commands"]}
    assert set(re.findall(r'@app\.command\("(/[\w-]+)"\)', source)) == said


def test_the_file_at_the_top_is_the_manifest_for_socket_mode() -> None:
    assert (ROOT / "manifest.yaml").read_text() == text(None)


def test_with_a_url_every_address_is_filled_in() -> None:
    result = CliRunner().invoke(main, ["manifest", "--url", "https://bot.example.org/"])
    made = YAML(typ="safe").load(result.output)
    address = "https://bot.example.org/slack/events"
    assert {c["url"] for c in made["features"]["slash_commands"]} == {address}
    assert made["settings"]["event_subscriptions"]["request_url"] == address
    assert made["settings"]["interactivity"]["request_url"] == address
    assert made["settings"]["socket_mode_enabled"] is False


def test_only_handles_stay_as_typed() -> None:
    escaped = {
        c["command"]: c["should_escape"] for c in manifest(None)["features"]["slash_commands"]
    }
    assert escaped == {"/request-deactivate": False, "/request-restore": False, "/audit": True}


@pytest.mark.parametrize(
    "args", [[], ["--url", "https://x.example", "--socket"], ["--url", "http://x"]]
)
def test_unclear_wishes_are_refused(args: list[str]) -> None:
    result = CliRunner().invoke(main, ["manifest", *args])
    assert result.exit_code == 2
