"""`nolone check`: each thing that is wrong with an installation, and its remedy."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from aiohttp import ClientError
from pydantic import ValidationError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot import anchors, disk, platforms, policyfile
from bot.audit import keys
from bot.clock import MachineClock, wall
from bot.core.policy import Group, Policy
from bot.core.text import utc
from bot.manifest import SCOPES
from bot.policyfile import PolicyError
from bot.ports import Anchor, AnchorError, Clock, Platform, PlatformError
from bot.settings import AnchorSettings, Settings, SettingsError, StoreSettings, read_settings
from bot.slack.client import Client
from bot.slack.people import channel_flaw
from bot.store import undelivered
from bot.store.database import file_of, open_store, open_visit
from bot.store.sqlite import InUse
from bot.store.tx import StoreError
from bot.wiring import facts_of

T = TypeVar("T")

CLOCK_OFF_MOST = 60_000  # ms between the wall clock and the clock in use


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check. `wrong` None: it is as it should be."""

    what: str
    wrong: str | None = None
    fatal: bool = True  # `run` refuses to start with it
    whom: str = ""  # the people concerned; for the terminal only, never for a log

    def __str__(self) -> str:
        if self.wrong is None:
            return f"ok     {self.what}"
        return f"{'WRONG' if self.fatal else 'note '}  {self.what}: {self.wrong}"

    @property
    def whole(self) -> str:
        return f"{self}: {self.whom}" if self.whom else str(self)


async def everything() -> list[Finding]:
    """All that can be checked without changing anything."""
    try:
        settings = read_settings(Settings)
    except SettingsError as e:
        return [Finding("settings", line) for line in str(e).splitlines()]
    found = [Finding("settings")]
    clock = MachineClock(None)
    try:
        there = open_platforms(settings, clock)
    except SettingsError as e:
        return [*found, *(Finding("platform", line) for line in str(e).splitlines())]
    for platform in there.values():
        found.append(await _platform(platform))
        await platform.aclose()
    try:
        others = open_anchors(settings, clock)
    except SettingsError as e:
        return [*found, *(Finding("anchor", line) for line in str(e).splitlines())]
    for anchor in others:
        found.append(await _anchor(anchor))
        await anchor.aclose()
    found += [*disk_stays(settings), *database(settings), *messages(settings)]
    policy, problems = read_policy(settings, there)
    found += problems
    if policy is not None:
        found += anchoring(settings, policy)
        found += await slack(client(settings), policy)
        found += await _socket(client(settings), settings)
    return found


def open_platforms(settings: Settings, clock: Clock) -> dict[str, Platform]:
    """The configured platforms. Raises SettingsError naming what is missing."""
    return {
        name: _made(name, name, "NOLONE_PLATFORMS", partial(platforms.resolve, name, clock))
        for name in settings.nolone_platforms
    }


def open_anchors(settings: AnchorSettings, clock: Clock) -> list[Anchor]:
    """The configured anchors, but for the channel that the policy may name. Raises SettingsError."""
    return [
        _made(name, f"anchor_{name}", "NOLONE_ANCHORS", partial(anchors.resolve, name, clock))
        for name in settings.nolone_anchors
    ]


def _made(name: str, prefix: str, listed_in: str, make: Callable[[], T]) -> T:
    """What a plug-in makes of its own part of the environment, which starts with `prefix`."""
    try:
        return make()
    except LookupError as e:
        raise SettingsError(f"{listed_in}: {e}") from e
    except AnchorError as e:
        raise SettingsError(f"{prefix.upper()}: {e}") from e
    except ValidationError as e:
        lines = []
        for problem in e.errors(include_url=False, include_input=False):
            variable = "_".join(str(part) for part in (prefix, *problem["loc"])).upper()
            said = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{variable}: {'it is not set' if problem['type'] == 'missing' else said}")
        raise SettingsError("\n".join(lines)) from None


async def _anchor(anchor: Anchor) -> Finding:
    name = f"anchor {anchor.name}"
    try:
        await anchor.latest(None)
    except AnchorError as e:
        return Finding(name, str(e), fatal=False)
    return Finding(name if anchor.weak is None else f"{name}, the weaker since {anchor.weak}")


def anchoring(settings: Settings, policy: Policy) -> list[Finding]:
    """Whether there is an anchor where one is waited for, and a key to sign what it is given."""
    names = [*settings.nolone_anchors]
    if policy.channels.anchors is not None:
        names.append(f"channel {policy.channels.anchors}")
    if not names:
        return _unanchored(policy)
    title = f"anchors ({', '.join(names)})"
    if settings.nolone_signing_key_file is None:
        remedy = "Make a key with `nolone keygen FILE`, and name it"
        return [
            Finding(
                title, f"NOLONE_SIGNING_KEY_FILE is not set, and nothing can be signed. {remedy}"
            )
        ]
    try:
        keys.signing(settings.nolone_signing_key_file, settings.nolone_origin)
    except keys.KeyFileError as e:
        return [Finding(title, str(e))]
    found = [Finding(title)]
    if policy.channels.anchors is not None and settings.anchor_channel_webhook is None:
        text = (
            "the bot posts checkpoints itself, and whoever holds its token can delete them. Set"
            " ANCHOR_CHANNEL_WEBHOOK to a second app's incoming webhook into it"
        )
        found.append(Finding(f"anchors channel {policy.channels.anchors}", text, fatal=False))
    return found


def _unanchored(policy: Policy) -> list[Finding]:
    strict = [tier.name for tier in policy.tiers if tier.strict]
    if strict:
        return [
            Finding(
                "anchors",
                f"{', '.join(strict)} would wait for an anchor for ever, and there is none. Name a"
                " channel for checkpoints in the policy (channels.anchors), or set NOLONE_ANCHORS",
            )
        ]
    loose: Sequence[str] = [tier.name for tier in policy.tiers if tier.is_top]
    waits = f": {', '.join(loose)} start without" if loose else ""
    return [
        Finding(
            "anchors",
            f"nobody outside keeps this trail's checkpoints{waits}. Name a channel for them in the"
            " policy (channels.anchors), or set NOLONE_ANCHORS",
            fatal=False,
        )
    ]


def read_policy(
    settings: Settings, platforms: Mapping[str, Platform]
) -> tuple[Policy | None, list[Finding]]:
    try:
        policy = policyfile.load(settings.nolone_policy, platforms=facts_of(platforms))
    except PolicyError as e:
        return None, [Finding("policy", line) for line in str(e).splitlines()]
    notes = [Finding("policy", w, fatal=False) for w in policyfile.warnings(policy)]
    return policy, [Finding(f"policy {policy.digest[:8]}"), *notes]


def disk_stays(settings: StoreSettings) -> list[Finding]:
    """That the database is where it is not lost with a container; nothing where nothing says so."""
    file = file_of(settings.database)
    passes = None if file is None else disk.look(file.parent)
    if passes is None:
        return []
    name = f"disk of {file}"
    if settings.nolone_ephemeral == "accept":
        return [Finding(name, f"{passes}. NOLONE_EPHEMERAL accepts that", fatal=False)]
    text = (
        f"{passes}, and the trail with it. Mount a volume that stays and put DATABASE_URL on it, or"
        " use PostgreSQL, or set NOLONE_EPHEMERAL=accept to lose the trail"
    )
    return [Finding(name, text)]


def database(settings: StoreSettings) -> list[Finding]:
    file = file_of(settings.database)
    if file is not None and not file.exists():
        return [Finding(f"database {file}", "it is not there yet: run `nolone migrate`")]
    try:
        store = open_store(settings.database)
    except StoreError as e:
        return [Finding("database", str(e), fatal=not isinstance(e, InUse))]
    try:
        pending = store.pending()
    except StoreError as e:
        return [Finding("database", str(e))]
    finally:
        store.close()
    name = f"database {store.name}"
    if pending:
        return [
            Finding(name, f"it is of an earlier version: run `nolone migrate` ({len(pending)})")
        ]
    return [Finding(name)]


def messages(settings: StoreSettings) -> list[Finding]:
    """What waits to be sent to Slack, and why; also beside a running bot."""
    try:
        visit = open_visit(settings.database)
    except StoreError:
        return []  # which the line about the database tells
    try:
        waiting = visit.look(undelivered.everything)
    finally:
        visit.close()
    failing = [row for row in waiting if row["error"]]
    if not failing:
        return [Finding(f"messages, {sum(row['messages'] for row in waiting)} wait to be sent")]
    return [
        Finding(
            "messages",
            f"{row['messages']} since {utc(row['since'])}: {row['error']}."
            " See docs/how-to/when-something-is-stuck.md",
            fatal=False,
        )
        for row in failing
    ]


async def _platform(platform: Platform) -> Finding:
    name = f"platform {platform.name}"
    try:
        await platform.find("nolone-check")
    except PlatformError as e:
        return Finding(name, str(e), fatal=False)
    return Finding(name)


def client(settings: Settings) -> Client:
    """A client of Slack's Web API, as the settings say."""
    return Client(settings.slack_bot_token.get_secret_value(), settings.slack_api_url)


async def slack(client: AsyncWebClient, policy: Policy) -> list[Finding]:
    """Token, workspace, scopes, the review channel, and the groups of the policy."""
    said, wrong = await _ask(client.auth_test)
    if said is None:
        reachable = not wrong.startswith("Slack could not be reached")
        return [Finding("Slack", f"{wrong}. Reinstall the app and set its token", fatal=reachable)]
    found = [Finding(f"Slack, as {said['user']} in {said['team']}")]
    if said["team_id"] != policy.workspace:
        found.append(
            Finding(
                "workspace",
                f"the token is for {said['team_id']}, the policy says {policy.workspace}",
            )
        )
    granted = set(said.headers.get("x-oauth-scopes", "").replace(" ", "").split(","))
    missing = sorted(set(SCOPES) - granted)
    if missing:
        why = "; ".join(f"{scope} ({SCOPES[scope]})" for scope in missing)
        found.append(
            Finding("scopes", f"missing {why}. Paste the manifest again and reinstall the app")
        )
    else:
        found.append(Finding("scopes"))
    found.append(await _channel(client, "review channel", policy.channels.review))
    if policy.channels.anchors is not None:
        found.append(await _channel(client, "anchors channel", policy.channels.anchors))
    who = policy.people
    groups = {"agents": who.agents, "managers": who.managers, **who.reviewers}
    for name, group in groups.items():
        found.append(await _group(client, name, group))
    return found


async def _channel(client: AsyncWebClient, what: str, channel: str) -> Finding:
    name = f"{what} {channel}"

    async def ask() -> Any:
        return await client.conversations_info(channel=channel)

    said, wrong = await _ask(ask)
    if said is None:
        return Finding(name, f"{wrong}. Invite the bot to it, or name another", fatal=False)
    return Finding(name, channel_flaw(said["channel"]), fatal=False)


async def _group(client: AsyncWebClient, name: str, group: Group) -> Finding:
    """A group that can be read and has somebody in it who may act."""
    title = f"group {name}"
    members = group.users or frozenset()
    if group.usergroup is not None:
        usergroup = group.usergroup

        async def ask() -> Any:
            return await client.usergroups_users_list(usergroup=usergroup)

        said, wrong = await _ask(ask)
        if said is None:
            remedy = "Check the id; free plans have no user groups: list `users` instead"
            return Finding(title, f"{wrong}. {remedy}", fatal=False)
        members = frozenset(said["users"])
    if not members:
        return Finding(title, "nobody is in it: nobody can approve for it", fatal=False)
    unable = []
    for id in sorted(members):

        async def look(id: str = id) -> Any:
            return await client.users_info(user=id)

        said, _ = await _ask(look)
        user = said["user"] if said is not None else None
        if user is None or user.get("deleted") or user.get("is_bot") or user.get("is_restricted"):
            unable.append(id)
    if unable:
        text = f"{len(unable)} of them cannot act (not there, deactivated, a guest or a bot)"
        return Finding(title, text, fatal=False, whom=", ".join(unable))
    return Finding(f"{title}, {len(members)} people")


async def _socket(client: AsyncWebClient, settings: Settings) -> list[Finding]:
    if settings.slack_app_token is None:
        if settings.slack_signing_secret is None:
            text = "set SLACK_SIGNING_SECRET for HTTP, or SLACK_APP_TOKEN for Socket Mode"
            return [Finding("deliveries", text)]
        return [Finding("deliveries, by HTTP")]
    token = settings.slack_app_token.get_secret_value()

    async def ask() -> Any:
        return await client.apps_connections_open(app_token=token)

    said, wrong = await _ask(ask)
    if said is None:
        return [Finding("Socket Mode", f"{wrong}. Make an app-level token with connections:write")]
    return [Finding("deliveries, by Socket Mode")]


async def _ask(call: Callable[[], Awaitable[Any]]) -> tuple[Any, str]:
    """The answer, or None and what went wrong."""
    try:
        return await call(), ""
    except SlackApiError as e:
        return None, f"Slack answers {e.response['error']}"
    except (ClientError, TimeoutError, OSError):
        return None, "Slack could not be reached"


def clock_is_off(clock: Clock) -> Finding:
    """Whether the clock in use, anchored at the first start in this boot, is far from the wall's."""
    off = abs(clock.now() - wall())
    if off <= CLOCK_OFF_MOST:
        return Finding("clock")
    text = (
        f"it differs from the wall clock by {off // 1000} s: set the wall clock right, and reboot"
    )
    return Finding("clock", text, fatal=False)
