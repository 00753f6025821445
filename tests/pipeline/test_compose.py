from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from aura.pipeline.compose import Failure, opened, operator, settled, source
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio


class Resource:
    """A stream that knows whether it is open."""

    def __init__(self, *, then: Exception | None = None) -> None:
        self.open = False
        self._then = then

    async def numbers(self) -> AsyncGenerator[int, None]:
        self.open = True
        try:
            yield 1
            yield 2
            if self._then is not None:
                raise self._then
        finally:
            self.open = False


@operator
async def doubled(stream: AsyncIterator[int]) -> AsyncIterator[int]:
    async with opened(stream) as items:
        async for item in items:
            yield 2 * item


@source
async def counted(resource: Resource) -> AsyncIterator[int]:
    async with opened(resource.numbers()) as items:
        async for item in items:
            yield item


async def test_composed_steps_read_left_to_right() -> None:
    assert await transcript(counted(Resource()) | doubled.pipe() | doubled.pipe()) == [4, 8]


async def test_closing_the_last_step_closes_the_first() -> None:
    resource = Resource()
    async with opened(counted(resource) | doubled.pipe()) as items:
        assert await anext(items) == 2
        assert resource.open
    assert not resource.open


async def test_an_error_of_the_reader_is_not_thrown_into_the_stream() -> None:
    resource = Resource()

    async def read() -> None:
        async with opened(counted(resource)) as items:
            async for _ in items:
                raise KeyError

    with pytest.raises(KeyError):
        await read()
    assert not resource.open


async def test_settled_gives_the_error_as_the_last_item() -> None:
    error = ValueError("broken")
    assert [1, 2, Failure(error)] == await transcript(settled(Resource(then=error).numbers()))


async def test_settled_changes_nothing_when_all_is_well() -> None:
    assert await transcript(settled(Resource().numbers())) == [1, 2]
