"""People, groups and channels as Slack knows them: the Directory."""

from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.core.facts import Person
from bot.ports import DirectoryError
from bot.slack.trouble import error_of


class SlackDirectory:
    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    async def person(self, id: str) -> Person:
        try:
            said = await self._client.users_info(user=id)
        except SlackApiError as e:
            if error_of(e) in {"user_not_found", "user_not_visible"}:
                return Person(id, flaw="an account that is not in this workspace")
            raise DirectoryError(f"Slack answers {error_of(e)}") from e
        except (ClientError, TimeoutError, OSError) as e:
            raise DirectoryError("Slack could not be reached") from e
        return _person(id, said["user"])

    async def members(self, usergroup: str) -> frozenset[str]:
        try:
            said = await self._client.usergroups_users_list(usergroup=usergroup)
        except SlackApiError as e:
            raise DirectoryError(f"Slack answers {error_of(e)}") from e
        except (ClientError, TimeoutError, OSError) as e:
            raise DirectoryError("Slack could not be reached") from e
        return frozenset(said["users"])

    async def channel_flaw(self, channel: str) -> str | None:
        try:
            said = await self._client.conversations_info(channel=channel)
        except SlackApiError as e:
            if error_of(e) == "channel_not_found":
                return "the review channel is not there, or the bot is not in it: invite the bot"
            raise DirectoryError(f"Slack answers {error_of(e)}") from e
        except (ClientError, TimeoutError, OSError) as e:
            raise DirectoryError("Slack could not be reached") from e
        return channel_flaw(said["channel"])


def channel_flaw(channel: dict[str, Any]) -> str | None:
    """Why decisions must not rest on a channel, as `conversations.info` describes it; or None."""
    if channel.get("is_archived"):
        return "the review channel is archived: unarchive it, or name another in the policy"
    if channel.get("is_ext_shared") or channel.get("is_pending_ext_shared"):
        return "the review channel is shared with another organisation: end that, or name another"
    if not channel.get("is_member"):
        return "the bot is not in the review channel: invite it"
    return None


def _person(id: str, user: dict[str, Any]) -> Person:
    flaw = None
    if user.get("deleted"):
        flaw = "deactivated in Slack"
    elif user.get("is_bot") or user.get("is_workflow_bot") or id == "USLACKBOT":
        flaw = "a bot"
    elif user.get("is_restricted") or user.get("is_ultra_restricted"):
        flaw = "a guest"
    keys = set()
    if email := user.get("profile", {}).get("email"):
        keys.add(f"email:{email.strip().casefold()}")
    if grid := user.get("enterprise_user", {}).get("id"):
        keys.add(f"grid:{grid}")
    return Person(id, team=user.get("team_id", ""), flaw=flaw, identity=frozenset(keys))
