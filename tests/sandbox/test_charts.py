"""What Slack takes of charts and tables, where, and what it refuses."""

from typing import Any

import pytest

from bot.sandbox.slack.blocks import message_problems, view_problems

Json = dict[str, Any]


def point(label: str = "a", value: Any = 1) -> Json:
    return {"label": label, "value": value}


def series(name: str = "s", *labels: str) -> Json:
    return {"name": name, "data": [point(label) for label in labels or ("a",)]}


def axes(*categories: str, **more: str) -> Json:
    return {"categories": list(categories or ("a",)), **more}


def plot(
    *shown: Json, on: Json | None = None, kind: str = "bar", title: str = "t", **more: Any
) -> Json:
    chart = {"type": kind, "series": list(shown), "axis_config": on or axes(), **more}
    return {"type": "data_visualization", "title": title, "chart": chart}


def pie(*segments: Json) -> Json:
    chart = {"type": "pie", "segments": list(segments)}
    return {"type": "data_visualization", "title": "t", "chart": chart}


def cell(text: str = "x") -> Json:
    return {"type": "raw_text", "text": text}


def number(value: Any = 1, text: str = "1") -> Json:
    return {"type": "raw_number", "value": value, "text": text}


def rich(text: str = "x") -> Json:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [section]}


def table(*rows: list[Json], **more: Any) -> Json:
    return {"type": "data_table", "caption": "c", "rows": list(rows), **more}


TWENTY = [f"c{n}" for n in range(20)]
TAKEN = [
    *[plot(series(), kind=kind) for kind in ("bar", "line", "area")],
    plot(*[series(f"s{n}", *TWENTY) for n in range(6)], on=axes(*TWENTY)),
    plot(series("x" * 20, "y" * 20), on=axes("y" * 20, x_label="x" * 50, y_label="y" * 50)),
    plot({"name": "s", "data": [point(value=-0.5)]}, title="t" * 50),
    plot(series("s", "b", "a"), on=axes("a", "b")),
    pie(*[point(f"s{n}") for n in range(6)]),
    table([cell(), cell()], [cell(), number()]),
    table([number()], [rich()]),
    table([cell()], *[[cell()]] * 100, page_size=100, row_header_column_index=0),
    table([cell()] * 20, [cell()] * 20, block_id="b"),
    table([cell("x" * 5000)], [cell("x" * 5000)]),
]
REFUSED = [
    (plot(), "no fewer than 1 items"),
    (plot(*[series(f"s{n}") for n in range(7)]), "no more than 6 items"),
    (plot(series(), series()), "series names must be unique"),
    (plot(series("x" * 21)), "less than 21"),
    (plot(series("s", "x" * 21), on=axes("x" * 21)), "less than 21"),
    (plot(series(), on=axes("a", "b")), "data labels must match the categories"),
    (plot(series("s", "a", "b")), "data labels must match the categories"),
    (plot(series("s", "a", "a"), on=axes("a", "a")), "categories must be unique"),
    (plot(series("s", *TWENTY, "a"), on=axes(*TWENTY, "a")), "no more than 20 items"),
    (plot(series(), on=axes(y_label="y" * 51)), "less than 51"),
    (plot(series(), title="t" * 51), "less than 51"),
    (plot(series(), title=""), "more than 0 characters"),
    (plot(series(), kind="radar"), "unsupported type: radar"),
    (plot(series(), colour="red"), "additional property: colour"),
    (plot({"name": "s", "data": [point(value="1")]}), "must be a number"),
    (plot({"name": "s", "data": [point(value=True)]}), "must be a number"),
    (plot({"name": "s", "data": [point(value=float("nan"))]}), "must be a number"),
    ({"type": "data_visualization", "title": "t"}, "missing required field: chart"),
    (pie(), "no fewer than 1 items"),
    (pie(*[point(f"s{n}") for n in range(7)]), "no more than 6 items"),
    (pie(point(value=0)), "must be more than 0"),
    (table([cell()]), "no fewer than 2 items"),
    (table([cell()], *[[cell()]] * 101), "no more than 101 items"),
    (table([], []), "no fewer than 1 items"),
    (table([cell()] * 21, [cell()] * 21), "no more than 20 items"),
    (table([cell(), cell()], [cell()]), "the same number of cells"),
    (table([rich()], [cell()]), "unsupported type: rich_text [json-pointer:/blocks/0/rows/0/0"),
    (table([cell("")], [cell()]), "more than 0 characters"),
    (table([cell()], [number(text="")]), "more than 0 characters"),
    (table([cell()], [number("1")]), "must be a number"),
    (table([cell()], [{"type": "mrkdwn", "text": "x"}]), "unsupported type: mrkdwn"),
    (table([cell()], [cell()], page_size=0), "between 1 and 100"),
    (table([cell()], [cell()], page_size=101), "between 1 and 100"),
    (table([cell("x" * 5000)], [cell("x" * 5001)]), "less than 10001 characters"),
    (table([cell("x" * 9999)], [rich("xx")]), "less than 10001 characters"),
    ({"type": "data_table", "rows": [[cell()], [cell()]]}, "missing required field: caption"),
    (table("x"), "must be an array"),
]


@pytest.mark.parametrize("block", TAKEN)
def test_figures_within_the_limits_are_taken(block: Json) -> None:
    assert message_problems([block]) == []


@pytest.mark.parametrize(("block", "said"), REFUSED)
def test_figures_beyond_a_limit_are_refused(block: Json, said: str) -> None:
    assert any(said in problem for problem in message_problems([block])), message_problems([block])


def test_a_message_has_two_charts() -> None:
    assert message_problems([plot(series())] * 2) == []
    assert "no more than 2" in message_problems([plot(series())] * 3)[0]


def test_the_tables_of_a_message_share_their_characters() -> None:
    half = table([cell("x" * 2500)], [cell("x" * 2500)])
    assert message_problems([half] * 2) == []
    assert "less than 10001" in message_problems([half] * 3)[0]


@pytest.mark.parametrize("block", [plot(series()), table([cell()], [cell()])])
def test_no_view_takes_figures(block: Json) -> None:
    title = {"type": "plain_text", "text": "x"}
    for view in ({"type": "home"}, {"type": "modal", "title": title}):
        assert "unsupported type" in view_problems({**view, "blocks": [block]})[0]


@pytest.mark.parametrize("block", [plot(series()), table([cell()], [cell()])])
def test_a_workspace_without_them_refuses_them(block: Json) -> None:
    said = message_problems([block], charts_taken=False)
    assert said == [f"[ERROR] unsupported type: {block['type']} [json-pointer:/blocks/0/type]"]
