"""Only `decide` makes an order or an event: held against the source of the whole package."""

import ast
import inspect
from pathlib import Path
from typing import get_args

import bot
from bot.core.actions import Order
from bot.core.events import Event

PACKAGE = Path(bot.__file__).parent
GATE = PACKAGE / "core" / "decide.py"
SUITE = PACKAGE / "platforms" / "conformance.py"  # tests that every platform passes: runs nowhere
GUARDED = {Order.__name__, *(kind.__name__ for kind in get_args(Event))}


def made_in(source: str, defines: bool = False) -> set[str]:
    """Which guarded classes are made in `source`: called, or by a way around the call.

    A class of the same name that a module has of its own is another class, but where the guarded
    ones are defined.
    """
    tree = ast.parse(source)
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    called = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    }
    renamed = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    around = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.attr.startswith("model_") or node.attr == "__new__")
    }
    return GUARDED & (called | renamed | around) - (set() if defines else own)


def test_there_is_something_to_guard_and_the_gate_makes_it() -> None:
    assert len(GUARDED) == 23
    assert made_in(GATE.read_text()) == GUARDED


def test_no_other_module_makes_an_order_or_an_event() -> None:
    others = [path for path in PACKAGE.rglob("*.py") if path not in (GATE, SUITE)]
    assert len(others) > 20
    defining = {Path(inspect.getfile(guarded)) for guarded in (Order, *get_args(Event))}
    assert defining < set(others)
    made = {str(p): m for p in others if (m := made_in(p.read_text(), p in defining))}
    assert made == {}


def test_the_suite_that_makes_orders_is_imported_by_nobody() -> None:
    assert made_in(SUITE.read_text()) == {"Order"}
    for path in PACKAGE.rglob("*.py"):
        assert path == SUITE or "conformance" not in ast.dump(ast.parse(path.read_text())), path


def test_ways_around_are_seen() -> None:
    assert made_in("Order(key='x')") == {"Order"}
    assert made_in("actions.Order(key='x')") == {"Order"}
    assert made_in("Order.model_construct(key='x')") == {"Order"}
    assert made_in("make = Order.model_validate_json") == {"Order"}
    assert made_in("from bot.core.actions import Order as Leave") == {"Order"}
    assert made_in("class Order: ...\nOrder()") == set()
    assert made_in("class Order: ...\nOrder()", defines=True) == {"Order"}
    assert made_in("def f(order: Order) -> None: print(Order.__name__)") == set()
