"""What route handlers are given, and that a server with a handler that cannot be served does not start."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.requests import Request

from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.handler_binding import HandlerError, Handlers
from local_azure.machine_learning.http.routing import Handler, Plane


@dataclass
class Shelf:
    """Something that a server provides."""

    books: int


CALL = Call(Request({"type": "http"}), None, None, None)


def _answer(path: str, handler: Handler, **parts: str) -> Any:
    plane = Plane("Library")
    plane.route("GET", path)(handler)
    return asyncio.run(Handlers(plane.routes, [Shelf(3)]).answer(plane.routes[0], CALL, parts))


def test_a_handler_gets_what_it_declares() -> None:
    def read(call: Call, shelf: Shelf, *, title: str, page: str = "1") -> tuple[Call, int, str, str]:
        return call, shelf.books, title, page

    assert _answer("/books{W}/{title}/{unread}", read, title="x", unread="y") == (CALL, 3, "x", "1")


def test_a_coroutine_is_awaited() -> None:
    async def count(shelf: Shelf) -> int:
        return shelf.books

    assert _answer("/books", count) == 3


def test_the_rest_of_a_path_is_a_part() -> None:
    def read(*, title: str) -> str:
        return title

    assert _answer("/books/{title:path}", read, title="a/b") == "a/b"


@pytest.mark.parametrize("path", ["/books", "/books/{titel}"])
def test_what_nobody_provides_is_refused_by_name(path: str) -> None:
    def read(shelf: Shelf, *, title: str) -> str:
        return title

    with pytest.raises(HandlerError, match=r"test_handler_binding\..*read \(GET /books.*'title' of type str"):
        _answer(path, read)


def test_an_unknown_class_is_refused_by_name() -> None:
    def read(number: float) -> float:
        return number

    with pytest.raises(HandlerError, match="'number' of type float"):
        _answer("/books", read)
