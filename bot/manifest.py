"""The Slack app's manifest, from the one list of what the bot uses."""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

# scope -> what it is for; `nolone check` compares these with what was granted
SCOPES = {
    "channels:history": "find a card again in a public review channel",
    "channels:read": "see whether a public review channel is archived or shared",
    "chat:write": "post cards, threads and direct messages",
    "commands": "the slash commands",
    "files:write": "send exports of the trail to whoever asked for them",
    "groups:history": "find a card again in a private review channel",
    "groups:read": "see whether a private review channel is archived or shared",
    "im:history": "find a direct message again",
    "im:write": "open the direct message to look in",
    "usergroups:read": "who is in the reviewers' user groups",
    "users:read": "who is deactivated, a guest or a bot",
    "users:read.email": "which accounts are one person",
}
EVENTS = ("app_home_opened", "subteam_members_changed", "user_change")
COMMANDS = (
    (
        "/request-deactivate",
        "Ask for an account to be deactivated",
        "[HANDLE] | status | veto R-n | withdraw R-n | help",
        False,
    ),
    ("/request-restore", "Ask for an account to be given back", "HANDLE", False),
    (
        "/audit",
        "Query the trail (managers)",
        "[R-n] [account:…] [by:…] [state:…] [since:…] | help",
        True,
    ),
)


def manifest(url: str | None) -> dict[str, Any]:
    """For HTTP at `url` (the address up to /slack/events); None: for Socket Mode."""
    address = None if url is None else f"{url.rstrip('/')}/slack/events"
    commands = []
    for command, description, hint, escape in COMMANDS:
        entry = {
            "command": command,
            "description": description,
            "usage_hint": hint,
            "should_escape": escape,
        }
        commands.append(entry if address is None else {**entry, "url": address})
    events: dict[str, Any] = {"bot_events": list(EVENTS)}
    interactivity: dict[str, Any] = {"is_enabled": True}
    if address is not None:
        events = {"request_url": address, **events}
        interactivity["request_url"] = address
    return {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": "No Lone Zone",
            "description": "Two people, a cool-off and a veto before a high-impact action.",
            "background_color": "#1f2a37",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": True,
            },
            "bot_user": {"display_name": "nolone", "always_online": True},
            "slash_commands": commands,
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": address is None,
            "token_rotation_enabled": False,
        },
    }


def text(url: str | None) -> str:
    """The manifest as the YAML to paste at Slack."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    yaml.dump(manifest(url), out)
    made: str = out.getvalue()
    return made
