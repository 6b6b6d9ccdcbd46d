"""Which names count as defined twice, and what the check says about them."""

from __future__ import annotations

from hack.check_names import definitions, duplicates, problems


def test_functions_classes_and_constants_are_public_names() -> None:
    source = """
import json
from a import Imported
def function(): inner = 1
async def coroutine(): ...
class Class:
    attribute = 1
CONSTANT = PAIR, OTHER = 1, 2
typed: int = 3
_private = 4
object.attribute = 5
__all__ = ["function"]
if TYPE_CHECKING:
    Alias = int
"""
    names = [name for name, _ in definitions(source)]
    assert names == ["function", "coroutine", "Class", "CONSTANT", "PAIR", "OTHER", "typed", "Alias"]


def test_a_name_of_two_modules_is_found_with_its_places() -> None:
    modules = {"a.py": "def parse(): ...", "b.py": "x = 1\n\nclass parse: ...", "c.py": "from a import parse"}
    assert duplicates(modules) == {"parse": ["a.py:1", "b.py:3"]}


def test_a_name_that_one_module_defines_twice_is_not_found() -> None:
    assert duplicates({"a.py": "x = 1\nx = 2"}) == {}


def test_a_problem_names_the_places_and_the_remedy() -> None:
    assert list(problems({"parse": ["a.py:1", "b.py:3"], "logger": ["a.py:1", "b.py:1"]}, {"logger": "why"})) == [
        "parse: defined in a.py:1, b.py:3: rename all but one, or import it from there"
    ]


def test_an_exception_that_is_not_needed_is_a_problem() -> None:
    assert list(problems({}, {"logger": "why"})) == [
        "logger: only one module defines it: remove it from EXCEPTIONS in hack/check_names.py"
    ]
