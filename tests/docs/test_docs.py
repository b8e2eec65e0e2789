"""What the documentation says of the code is so."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest

from bot import manifest, policyfile, worker
from bot.core import decide, rules
from bot.core.request import Phase
from bot.store.migrations import STEPS
from tests.docs import generate
from tests.docs.generate import ROOT

PAGES = generate.pages()
DOCS = ROOT / "docs"
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=name)


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made from their words."""
    found = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in found}


def codes(page: Path) -> str:
    return "\n".join(CODE.findall(page.read_text()))


@each_page
def test_what_is_generated_is_as_the_code_says(page: Path) -> None:
    text = page.read_text()
    assert generate.filled(text) == text, f"{name(page)} is stale: run `make docs`"


def test_everything_that_is_generated_is_somewhere() -> None:
    used = {n for page in PAGES for _, n, _ in generate.BLOCK.findall(page.read_text())}
    assert used == set(generate.RENDERERS)


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = unquote(link).partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), f"{name(page)}: {link}"
        assert not anchor or anchor in slugs(to), f"{name(page)}: {link}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(page.read_text()))
        todo += [(page.parent / link).resolve() for link in links if link and ":" not in link]
    assert set(PAGES) - {ROOT / "CHANGELOG.md"} <= reached


@each_page
def test_what_make_is_told_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", codes(page))) <= targets


@each_page
def test_what_nolone_is_told_exists(page: Path) -> None:
    known = {command for command, _ in generate.command_line()}
    groups = {command.rpartition(" ")[0] for command in known} - {"nolone"}
    options = {o for _, c in generate.command_line() for p in c.params for o in p.opts}
    for said in re.findall(r"\bnolone ((?:--)?[a-z].*)", codes(page)):
        words = re.findall(r"[\w-]+", said.partition("`")[0])
        command = f"nolone {words[0]}"
        assert command in known or command in groups, f"{name(page)}: {said}"
        if command in groups and len(words) > 1:
            assert f"{command} {words[1]}" in known, f"{name(page)}: {said}"
        assert set(re.findall(r"--[a-z-]+", said)) <= options, f"{name(page)}: {said}"


@each_page
def test_the_settings_that_are_named_exist(page: Path) -> None:
    if page.name == "write-a-platform.md":
        return  # names those of a platform that is made up
    named = re.findall(r"\b(?:SLACK|NOLONE|DATABASE|SYNAPSE|DEMO|LOG)_[A-Z_]+\b", page.read_text())
    assert set(named) <= set(generate.SETTINGS)


@each_page
def test_the_slash_commands_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"(?<![\w/.])/(?:request-\w+|audit)\b", codes(page))
    assert set(named) <= {command for command, *_ in manifest.COMMANDS}


@each_page
def test_the_policies_that_are_shown_are_good_ones(page: Path) -> None:
    for text in re.findall(
        r"^```yaml\n(version:.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
    ):
        policyfile.parse(text, name(page), platforms={"synapse": generate.FACTS["synapse"]})


def test_the_table_of_transitions_has_every_command_and_every_event() -> None:
    page = (DOCS / "reference" / "states.md").read_text()
    said = set(
        re.findall(r"`(\w+)", page.partition("## Transitions")[2].partition("## Checked")[0])
    )
    assert generate.command_names() <= said
    assert generate.event_names() - set(generate.OTHER_STREAMS) <= said


def test_the_diagram_has_every_phase_and_no_other() -> None:
    page = (DOCS / "explanation" / "architecture.md").read_text()
    drawn = page.partition("stateDiagram-v2\n")[2].partition("```")[0]
    states = set(re.findall(r"(\w+) -->", drawn)) | set(re.findall(r"--> (\w+)", drawn)) - {"rest"}
    together = re.findall(r'state "(.*)" as rest', drawn)[0].split(", ")
    assert {s.replace("_", " ") for s in states} | set(together) == set(Phase)


def test_every_table_of_the_database_is_accounted_for() -> None:
    page = (DOCS / "explanation" / "personal-data.md").read_text()
    tables = {t for step in STEPS for t in re.findall(r"CREATE TABLE (\w+)", step.sql)}
    assert tables == {
        t
        for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
        for t in re.findall(r"`(\w+)`", row)
    }


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["dev"],
        *project["build-system"]["requires"],
    ]
    page = (DOCS / "decisions" / "0001-dependencies.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    named = {n for row in rows for n in re.findall(r"`([\w.-]+)`", row)}
    assert named == {re.split(r"[\[><=]", one)[0] for one in wanted}


def test_the_decisions_are_numbered_and_listed() -> None:
    records = sorted(p.name for p in (DOCS / "decisions").glob("0*.md"))
    numbers = [int(record[:4]) for record in records]
    assert all(b == a + 1 for a, b in pairwise([0, *numbers]))
    listed = re.findall(
        r"\((0\d+-[a-z0-9-]+\.md)\)", (DOCS / "decisions" / "README.md").read_text()
    )
    assert sorted(listed) == records
    for record in records:
        first = (DOCS / "decisions" / record).read_text().splitlines()[0]
        assert first.startswith(f"# {record[:4]} ")


def test_the_times_that_the_pages_tell_are_those_of_the_code() -> None:
    """Where one of these is changed, decision 0014 and the pages on states and restoring are too."""
    assert decide.SEND_WITHIN == worker.LEASE == 30_000
    assert (worker.WORK_WITHIN, worker.UNKNOWN_AGAIN, worker.WAIT_AGAIN) == (25.0, 10_000, 1_000)
    assert (worker.OBSERVE_FOR, worker.OBSERVE_EVERY) == (10_000, 200)
    assert rules.REGRET == rules.SETTLE_AFTER == 24 * 3_600_000
    assert (rules.RESTORES_A_DAY, rules.LOOKUP_KEEPS, decide.REOPENED_AT_MOST) == (3, 300_000, 2)


def test_the_pages_name_no_private_place() -> None:
    for page in PAGES:
        assert not re.search(r"/work/|/root/|/tmp/", page.read_text()), name(page)
