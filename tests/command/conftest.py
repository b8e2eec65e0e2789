"""An installation: a Slack workspace, a platform, a policy file, and the environment for them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.audit import keys
from bot.clock import wall
from bot.sandbox.clock import SandboxClock
from bot.sandbox.platform import SandboxPlatform
from bot.sandbox.slack import FakeSlack
from bot.sandbox.world import ANCHORS, POLICY, people


@dataclass
class Installation:
    slack: FakeSlack
    platform: SandboxPlatform
    folder: Path
    env: dict[str, str]

    @property
    def policy(self) -> Path:
        return self.folder / "policy.yaml"


@pytest.fixture
async def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Installation]:
    clock = SandboxClock(wall)
    slack, platform = FakeSlack(clock), SandboxPlatform(clock)
    people(slack.workspace)
    await slack.start()
    await platform.start()
    (tmp_path / "policy.yaml").write_text(POLICY.read_text())
    keys.make(tmp_path / "signing.key", "nolone")
    (tmp_path / "anchors").mkdir()
    env = {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_URL": slack.api_url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'nolone.db'}",
        "NOLONE_POLICY": str(tmp_path / "policy.yaml"),
        "NOLONE_PLATFORMS": "demo",
        "DEMO_URL": platform.url,
        "DEMO_TOKEN": platform.token,
        "NOLONE_SIGNING_KEY_FILE": str(tmp_path / "signing.key"),
        "NOLONE_ANCHORS": "directory",
        "ANCHOR_CHANNEL_WEBHOOK": slack.webhook(ANCHORS),
        "ANCHOR_DIRECTORY_PATH": str(tmp_path / "anchors"),
        "PORT": "0",
        "NOLONE_EPHEMERAL": "accept",  # the tests may be run in a container
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    yield Installation(slack, platform, tmp_path, env)
    await platform.stop()
    await slack.stop()
