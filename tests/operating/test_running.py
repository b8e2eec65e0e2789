"""The container, the unit and the Procfile, read: what they say is what this program needs."""

import configparser
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.settings import Settings

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "docs/how-to/nolone.service"
DRAINED_WITHIN = 10  # s


def instructions() -> list[tuple[str, str]]:
    """What the Dockerfile says, one after another."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def said(word: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == word]


def environment() -> dict[str, str]:
    (env,) = said("ENV")
    return dict(part.split("=", 1) for part in shlex.split(env))


def directives() -> dict[str, list[str]]:
    """What the unit's service says."""
    found: dict[str, list[str]] = {}
    section = UNIT.read_text().partition("[Service]")[2].partition("[Install]")[0]
    for line in section.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


# --- the container -------------------------------------------------------------------------------


def test_both_stages_begin_at_one_small_image_of_a_named_version() -> None:
    (first, second) = said("FROM")
    assert second == first.removesuffix(" AS build")
    version = re.fullmatch(r"python:3\.(\d+)-slim-[a-z]+", second)
    assert version is not None
    assert int(version[1]) >= 11


def test_nothing_in_the_container_is_started_by_a_shell_so_that_signals_arrive() -> None:
    for word in ("RUN", "ENTRYPOINT", "CMD"):
        assert all(isinstance(json.loads(rest), list) for rest in said(word)), word
    entry, command = (json.loads(said(word)[-1]) for word in ("ENTRYPOINT", "CMD"))
    assert entry == ["nolone"]
    assert CliRunner().invoke(main, [*command, "--help"]).exit_code == 0
    assert said("STOPSIGNAL") == ["SIGTERM"]


def test_everything_in_the_container_is_pinned_by_its_hash() -> None:
    first, second = (json.loads(rest) for rest in said("RUN") if '"install", "--no-cache' in rest)
    assert first[-3:] == ["--require-hashes", "-r", "requirements.txt"]
    assert second[-3:] == ["--no-deps", "--no-build-isolation", "."]
    assert not any("http" in rest for _, rest in instructions() if "healthz" not in rest)


def test_the_container_is_not_root_and_its_data_is_its_own() -> None:
    (user,) = said("USER")
    uid, gid = user.split(":")
    assert int(uid) > 1000  # a number: whoever runs it can forbid root without knowing names
    made = next(run for run in map(json.loads, said("RUN")) if run[0] == "install")
    assert made == ["install", "-d", "-o", uid, "-g", gid, "-m", "0700", "/data"]
    # nothing is installed as that user, so that it can change nothing of the program
    words = [word for word, _ in instructions()]
    assert set(words[words.index("USER") :]) <= {
        *("USER", "WORKDIR", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD")
    }


def test_the_container_has_no_volume_that_would_hide_that_its_disk_goes() -> None:
    assert said("VOLUME") == []
    assert environment()["DATABASE_URL"] == "sqlite:////data/nolone.db"


def test_the_containers_environment_is_settings_of_ours() -> None:
    ours = {name.upper() for name in Settings.model_fields}
    assert environment().keys() <= ours | {"PATH", "PYTHONUNBUFFERED"}
    assert not environment().keys() & {"SLACK_BOT_TOKEN", "SYNAPSE_TOKEN", "NOLONE_EPHEMERAL"}


def test_what_is_copied_is_there_and_gets_past_dockerignore() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        source
        for rest in said("COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


class Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("status", "ends"), [(200, 0), (503, 1)])
def test_the_health_check_asks_the_bot(
    port: int, status: int, ends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Health, "status", status)
    (check,) = said("HEALTHCHECK")
    python, *rest = json.loads(check.partition("CMD ")[2])
    assert python == "python"
    done = subprocess.run(
        [sys.executable, *rest], env={"PORT": str(port)}, capture_output=True, check=False
    )
    assert done.returncode == ends


# --- the unit ------------------------------------------------------------------------------------


def test_the_unit_is_one_that_can_be_read() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    assert parser.sections() == ["Unit", "Service", "Install"]


def test_the_unit_gives_the_bot_time_to_drain_and_starts_it_again() -> None:
    said = directives()
    assert int(said["TimeoutStopSec"][0]) > DRAINED_WITHIN
    assert said["Restart"] == ["on-failure"]
    assert said["Type"] == ["exec"]
    (start,) = said["ExecStart"]
    assert start.endswith("/nolone run")


def test_the_unit_lets_the_bot_write_to_its_state_and_gain_nothing() -> None:
    said = directives()
    assert said["User"] == ["nolone"]
    assert said["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in said
    (state,) = said["StateDirectory"]
    assert f"DATABASE_URL=sqlite:////var/lib/{state}/nolone.db" in said["Environment"]
    assert (said["StateDirectoryMode"], said["UMask"]) == (["0700"], ["0077"])
    for name in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "MemoryDenyWriteExecute"):
        assert said[name] == ["yes"]
    assert said["CapabilityBoundingSet"] == said["AmbientCapabilities"] == [""]
    assert said["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]


def test_the_unit_leaves_the_bot_what_it_reads() -> None:
    said = directives()
    assert "ProcSubset" not in said  # the clock is anchored to the boot, by what is in /proc/sys
    assert {"AF_INET", "AF_INET6"} <= set(said["RestrictAddressFamilies"][0].split())
    assert "PrivateNetwork" not in said


# --- the Procfile --------------------------------------------------------------------------------


def test_the_procfile_names_commands_that_there_are() -> None:
    for line in (ROOT / "Procfile").read_text().splitlines():
        kind, _, command = line.partition(": ")
        assert kind in {"release", "web", "worker"}
        host, python, _, module, *rest = command.split()
        assert (host, python, module) == ("HOST=0.0.0.0", "python", "bot")
        assert CliRunner().invoke(main, [*rest, "--help"]).exit_code == 0
