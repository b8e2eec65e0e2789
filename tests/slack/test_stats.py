"""Slack takes the figures, whatever they are."""

from hypothesis import given
from hypothesis import strategies as st

from bot.audit.stats import Spread, Stats, Tier
from bot.core.condition import NAME
from bot.core.request import Phase
from bot.sandbox.slack.blocks import message_problems
from bot.slack.views import stats as view

START = 1_795_514_400_000

counts = st.integers(0, 10**7)
lengths = st.integers(0, 10**11)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    # every name that a policy may have, and such that are alike where they are cut
    names = st.from_regex(NAME, fullmatch=True) | st.integers(0, 99).map(lambda n: f"{'x' * 30}{n}")
    made = []
    for name in draw(st.lists(names, max_size=40, unique=True)):
        states = draw(st.dictionaries(st.sampled_from(Phase), st.integers(1, 10**7), min_size=1))
        ordered = tuple((p, states[p]) for p in Phase if p in states)
        made.append(Tier(name, ordered, draw(counts), draw(counts)))
    return tuple(made)


spreads = st.none() | st.builds(Spread, counts, lengths, lengths, lengths)
figures = st.builds(
    Stats,
    since=st.just(START),
    until=st.just(START + 1),
    tiers=tiers(),
    review=spreads,
    quorum=spreads,
    end=spreads,
    ended=counts,
    vetoed=counts,
    expired=counts,
    restores=counts,
    away=spreads.filter(lambda away: away is None or away.n > 0),
    away_longer=counts,
    open=counts,
    overdue=counts,
)


@given(figures)
def test_they_are_taken_in_both_forms(found: Stats) -> None:
    assert message_problems(view.classic(found), charts_taken=False) == []
    if found.filed:
        assert message_problems(view.native(found)) == []


def tier(name: str, **states: int) -> Tier:
    return Tier(name, tuple((Phase(p), n) for p, n in states.items()), approved=2, hasty=1)


def made(*tiers: Tier, review: Spread | None = None) -> Stats:
    return Stats(START, START + 1, tiers, review, None, None, 0, 0, 0, 0, None, 0, 0, 0)


def test_the_result_stands_in_the_first_sentence() -> None:
    found = made(tier("standard", executed=8, vetoed=2))
    assert view.text(found) == "10 requests filed: 8 executed, 2 vetoed, since 2026-11-24"


def test_bars_of_text_fit_on_a_phone_and_say_their_numbers() -> None:
    found = made(tier("standard", **{"cooling off": 1, "executed": 1_000_000}))
    (rows,) = (b for b in view.classic(found) if b["type"] == "rich_text")
    drawn = rows["elements"][0]["elements"][0]["text"]
    assert drawn == ("cooling off       1 ▇\nexecuted    1000000 ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇")
    assert max(len(row) for row in drawn.split("\n")) <= 40


def test_a_chart_has_a_series_for_each_tier_and_the_rest_together() -> None:
    found = made(*[tier(f"t{n}", executed=1) for n in range(8)])
    chart = view.native(found)[2]["chart"]
    assert [(s["name"], s["data"][0]["value"]) for s in chart["series"]] == [
        ("t0", 1), ("t1", 1), ("t2", 1), ("t3", 1), ("t4", 1), ("3 other tiers", 3)
    ]  # fmt: skip


def test_times_are_drawn_in_the_unit_that_fits_them() -> None:
    def drawn(p95: int) -> tuple[str, float]:
        found = made(tier("t", executed=1), review=Spread(1, 1, p95, p95))
        chart = view.native(found)[3]["chart"]
        return chart["axis_config"]["y_label"], chart["series"][1]["data"][0]["value"]

    assert drawn(90_000) == ("Seconds", 90)
    assert drawn(150_000) == ("Minutes", 2.5)
    assert drawn(5 * 3_600_000) == ("Hours", 5)
    assert drawn(72 * 3_600_000) == ("Days", 3)


def test_a_table_says_what_became_of_each_tier() -> None:
    found = made(tier("<!channel>", executed=8, vetoed=2))
    (table,) = (b for b in view.native(found) if b["type"] == "data_table")
    assert [[cell["text"] for cell in row] for row in table["rows"]] == [
        ["Tier", "Filed", "Executed", "Vetoed", "Approved in 10 s"],
        ["<!channel>", "10", "8", "2", "1"],
    ]
    assert "<!channel>" not in str([b for b in view.classic(found) if b["type"] == "section"])
