"""Platforms by name."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest
from pydantic import ValidationError

from bot import plugins
from bot.platforms import resolve
from bot.platforms.demo import Demo
from bot.platforms.synapse import Synapse
from bot.sandbox.clock import SandboxClock

CLOCK = SandboxClock(lambda: 0)


def test_a_built_in_platform_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in (("demo", Demo), ("synapse", Synapse)):
        monkeypatch.setenv(f"{name.upper()}_URL", "http://127.0.0.1:1")
        monkeypatch.setenv(f"{name.upper()}_TOKEN", "secret")
        platform = resolve(name, CLOCK)
        assert isinstance(platform, kind)
        assert platform.name == name


def test_a_name_that_is_not_known_is_answered_with_those_that_are() -> None:
    with pytest.raises(LookupError, match=r"'twiter'.*demo, synapse"):
        resolve("twiter", CLOCK)


def test_missing_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNAPSE_URL", raising=False)
    monkeypatch.setenv("SYNAPSE_TOKEN", "secret")
    with pytest.raises(ValidationError, match="url") as caught:
        resolve("synapse", CLOCK)
    assert "secret" not in str(caught.value)


def test_a_third_partys_platform_comes_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("DEMO_TOKEN", "secret")
    point = EntryPoint("theirs", "bot.platforms.demo:create", "nolone.platforms")
    monkeypatch.setattr(plugins, "entry_points", lambda group: EntryPoints([point]))
    assert isinstance(resolve("theirs", CLOCK), Demo)
    with pytest.raises(LookupError, match="demo, synapse, theirs"):
        resolve("others", CLOCK)
