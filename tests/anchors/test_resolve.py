"""Anchors by name."""

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot import plugins
from bot.anchors import resolve
from bot.anchors.directory import Directory
from bot.sandbox.clock import SandboxClock

CLOCK = SandboxClock(lambda: 0)


def test_a_built_in_anchor_goes_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANCHOR_DIRECTORY_PATH", str(tmp_path))
    assert isinstance(resolve("directory", CLOCK), Directory)


def test_a_name_that_is_not_known_is_answered_with_those_that_are() -> None:
    with pytest.raises(LookupError, match=r"no anchor 'directry'.*directory, witness"):
        resolve("directry", CLOCK)


def test_what_is_missing_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANCHOR_DIRECTORY_PATH", raising=False)
    with pytest.raises(ValidationError, match="path"):
        resolve("directory", CLOCK)


def test_a_third_partys_anchor_comes_by_entry_point(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANCHOR_DIRECTORY_PATH", str(tmp_path))
    point = EntryPoint("theirs", "bot.anchors.directory:create", "nolone.anchors")
    asked: list[str] = []

    def entry_points(group: str) -> EntryPoints:
        asked.append(group)
        return EntryPoints([point])

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    assert isinstance(resolve("theirs", CLOCK), Directory)
    assert asked == ["nolone.anchors"]
