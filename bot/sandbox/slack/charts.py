"""The newer blocks of Block Kit that show figures, as Slack checks them: `data_visualization` and
`data_table`. Only messages take them.

Slack has raised some of these limits since; what keeps to the narrower ones is taken under either.
"""

from typing import Any

from bot.sandbox.slack.richtext import RICH_TEXT_ELEMENT
from bot.sandbox.slack.schema import (
    Check,
    Problems,
    both,
    by_type,
    integer,
    listing,
    number,
    obj,
    string,
)

Json = dict[str, Any]

CHARTS = 2
"""In one message; undocumented."""
TABLE_CHARACTERS = 10_000
"""In all cells of a message's tables."""
_CAPTION = 3000  # Slack names no limit

_BLOCK_ID = {"block_id": string(255)}
_TYPE = {"type": string(255)}
_LABEL = string(20)


def _points_fit(value: object, at: str, problems: Problems) -> None:
    """Every series has another name, and one value for each category."""
    if problems.messages:
        return  # what is badly made was said already
    assert isinstance(value, dict)
    categories = value["axis_config"]["categories"]
    if len(set(categories)) < len(categories):
        problems.add("categories must be unique", f"{at}/axis_config/categories")
    names = [one["name"] for one in value["series"]]
    if len(set(names)) < len(names):
        problems.add("series names must be unique", f"{at}/series")
    for index, one in enumerate(value["series"]):
        if sorted(point["label"] for point in one["data"]) != sorted(categories):
            problems.add("data labels must match the categories", f"{at}/series/{index}/data")


_AXES = obj({"categories": listing(_LABEL, 1, 20)}, {"x_label": string(50), "y_label": string(50)})
_SERIES = obj({"name": _LABEL, "data": listing(obj({"label": _LABEL, "value": number()}), 1, 20)})
_PLOT = both(
    obj({**_TYPE, "series": listing(_SERIES, 1, 6), "axis_config": _AXES}),
    _points_fit,
)
_PIE = obj({**_TYPE, "segments": listing(obj({"label": _LABEL, "value": number(above=0)}), 1, 6)})

_RAW: dict[str, Check] = {
    "raw_text": obj({**_TYPE, "text": string(TABLE_CHARACTERS)}),
    "raw_number": obj({**_TYPE, "value": number(), "text": string(TABLE_CHARACTERS)}),
}
_RICH = obj({**_TYPE, "elements": listing(RICH_TEXT_ELEMENT, 1, 10_000)})
_HEAD = listing(by_type(_RAW), 1, 20)
_ROW = listing(by_type({**_RAW, "rich_text": _RICH}), 1, 20)


def _rows(value: object, at: str, problems: Problems) -> None:
    listing(_ROW, 2, 101)(value, at, problems)
    if not isinstance(value, list) or problems.messages:
        return
    _HEAD(value[0], f"{at}/0", problems)
    for index, row in enumerate(value):
        if len(row) != len(value[0]):
            problems.add("all rows must have the same number of cells", f"{at}/{index}")


BLOCKS: dict[str, Check] = {
    "data_visualization": obj(
        {
            **_TYPE,
            "title": string(50),
            "chart": by_type({"pie": _PIE, "bar": _PLOT, "area": _PLOT, "line": _PLOT}),
        },
        _BLOCK_ID,
    ),
    "data_table": obj(
        {**_TYPE, "caption": string(_CAPTION), "rows": _rows},
        {
            **_BLOCK_ID,
            "page_size": integer(1, 100),
            "row_header_column_index": integer(0, 19),
        },
    ),
}


def check_together(blocks: list[Json], at: str, problems: Problems) -> None:
    """What holds for all of a message's blocks."""
    charts = sum(block.get("type") == "data_visualization" for block in blocks)
    if charts > CHARTS:
        problems.add(f"no more than {CHARTS} data_visualization blocks allowed", at)
    if characters(blocks) > TABLE_CHARACTERS:
        problems.add(f"tables must have less than {TABLE_CHARACTERS + 1} characters", at)


def characters(blocks: list[Json]) -> int:
    """How many there are in the cells of all tables."""
    tables = (block["rows"] for block in blocks if block.get("type") == "data_table")
    return sum(_characters(rows) for rows in tables)


def _characters(part: object) -> int:
    if isinstance(part, list):
        return sum(_characters(one) for one in part)
    if not isinstance(part, dict):
        return 0
    text = part.get("text")
    return len(text) if isinstance(text, str) else _characters(part.get("elements"))
