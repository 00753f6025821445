"""Both transports against a real server on loopback."""

from __future__ import annotations

import gzip
from contextlib import AbstractAsyncContextManager

import anyio
import pytest

from aura.adapters.models.http1_transport import open_http1
from aura.adapters.models.httpx2_transport import open_httpx2
from aura.adapters.models.transport import Transport, TransportError
from aura.pipeline.compose import Failure, opened, settled
from tests.adapters.models.server import END, HEAD, Connection, chunk, serving
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio


class Open:
    """How to open the transport under test."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, idle_timeout: float = 10.0) -> AbstractAsyncContextManager[Transport]:
        if self.name == "http1":
            return open_http1(idle_timeout=idle_timeout)
        return open_httpx2(idle_timeout=idle_timeout)


@pytest.fixture(
    params=[("asyncio", "http1"), ("asyncio", "httpx2"), ("trio", "httpx2")],
    ids="-".join,
)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def anyio_backend(case: tuple[str, str]) -> str:
    return case[0]


@pytest.fixture
def transport_of(case: tuple[str, str]) -> Open:
    return Open(case[1])


async def test_a_request_and_each_chunk_as_it_comes(transport_of: Open) -> None:
    seen: list[Connection] = []
    go_on = anyio.Event()

    async def answer(connection: Connection) -> None:
        seen.append(connection)
        await connection.send(HEAD + chunk(b"one"))
        await go_on.wait()
        await connection.send(chunk(b"two") + END)

    async with serving(answer) as url, transport_of() as transport:
        got = await transport.post(url + "/v1", {"Authorization": "Bearer k"}, b"{}")
        assert got.status == 200
        assert got.headers.get("content-type") == "text/event-stream"
        async with opened(got.batches()) as batches:
            assert await anext(batches) == b"one"
            go_on.set()
            assert b"".join([batch async for batch in batches]) == b"two"
        got.close()
    (request,) = seen
    head = request.head.lower()
    assert head.startswith("post /v1 http/1.1")
    assert "authorization: bearer k" in head
    assert "accept-encoding: identity" in head
    assert request.body == b"{}"


async def test_a_connection_is_used_again_after_the_whole_body(transport_of: Open) -> None:
    sockets: set[int] = set()

    async def answer(connection: Connection) -> None:
        sockets.add(id(connection.socket))
        await connection.send(HEAD + chunk(b"x") + END)

    async with serving(answer) as url, transport_of() as transport:
        for _ in range(3):
            got = await transport.post(url, {}, b"{}")
            async with opened(got.batches()) as batches:
                assert [batch async for batch in batches] == [b"x"]
            got.close()
    assert len(sockets) == 1


async def test_closing_early_frees_the_socket_at_once(transport_of: Open) -> None:
    gone = anyio.Event()

    async def answer(connection: Connection) -> None:
        await connection.send(HEAD + chunk(b"x"))
        await connection.gone()
        gone.set()

    async with serving(answer) as url, transport_of() as transport:
        got = await transport.post(url, {}, b"{}")
        async with opened(got.batches()) as batches:
            await anext(batches)
            got.close()
            with anyio.fail_after(5):
                await gone.wait()


async def test_leaving_the_batches_frees_the_socket(transport_of: Open) -> None:
    gone = anyio.Event()

    async def answer(connection: Connection) -> None:
        await connection.send(HEAD + chunk(b"x"))
        await connection.gone()
        gone.set()

    async with serving(answer) as url, transport_of() as transport:
        got = await transport.post(url, {}, b"{}")
        async with opened(got.batches()) as batches:
            await anext(batches)
        with anyio.fail_after(5):
            await gone.wait()


async def test_cancelling_frees_the_socket(transport_of: Open) -> None:
    begun, gone = anyio.Event(), anyio.Event()

    async def answer(connection: Connection) -> None:
        begun.set()
        await connection.gone()
        gone.set()

    async with serving(answer) as url, transport_of() as transport:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.post, url, {}, b"{}")
            await begun.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await gone.wait()


async def test_a_connection_lost_within_the_body(transport_of: Open) -> None:
    async def answer(connection: Connection) -> None:
        await connection.send(HEAD + chunk(b"x"))
        await connection.socket.aclose()

    async with serving(answer) as url, transport_of() as transport:
        got = await transport.post(url, {}, b"{}")
        with pytest.raises(TransportError) as raised:
            async with opened(got.batches()) as batches:
                assert [batch async for batch in batches] == [b"x"]
    assert raised.value.kind == "read"


async def test_a_connection_lost_before_the_answer(transport_of: Open) -> None:
    async def answer(connection: Connection) -> None:
        await connection.socket.aclose()

    async with serving(answer) as url, transport_of() as transport:
        with pytest.raises(TransportError) as raised:
            await transport.post(url, {}, b"{}")
    assert raised.value.kind == "read"


async def test_a_server_that_never_answers(transport_of: Open) -> None:
    async def answer(connection: Connection) -> None:
        await connection.gone()

    async with serving(answer) as url, transport_of(idle_timeout=0.05) as transport:
        with pytest.raises(TransportError) as raised:
            await transport.post(url, {}, b"{}")
    assert raised.value.kind == "silence"


async def test_a_server_that_falls_silent(transport_of: Open) -> None:
    async def answer(connection: Connection) -> None:
        await connection.send(HEAD + chunk(b"x"))
        await connection.gone()

    async with serving(answer) as url, transport_of(idle_timeout=0.05) as transport:
        got = await transport.post(url, {}, b"{}")
        with pytest.raises(TransportError) as raised:
            async with opened(got.batches()) as batches:
                assert [batch async for batch in batches] == [b"x"]
    assert raised.value.kind == "silence"


async def test_nobody_listens(transport_of: Open) -> None:
    async def answer(connection: Connection) -> None:
        """Never called."""

    async with serving(answer) as url:
        pass
    async with transport_of() as transport:
        with pytest.raises(TransportError) as raised:
            await transport.post(url, {}, b"{}")
    assert raised.value.kind == "connect"


async def test_a_redirect_is_an_answer_and_a_cookie_is_forgotten(transport_of: Open) -> None:
    heads: list[str] = []

    async def answer(connection: Connection) -> None:
        heads.append(connection.head.lower())
        await connection.send(
            b"HTTP/1.1 307 Moved\r\nLocation: /x\r\nSet-Cookie: a=b; Path=/\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    async with serving(answer) as url, transport_of() as transport:
        for _ in range(2):
            got = await transport.post(url, {}, b"{}")
            assert got.status == 307
            async with opened(got.batches()) as batches:
                assert [batch async for batch in batches] == []
    assert len(heads) == 2
    assert "cookie:" not in heads[1]


async def test_a_body_that_is_compressed_all_the_same(transport_of: Open) -> None:
    head = HEAD.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")

    async def answer(connection: Connection) -> None:
        await connection.send(head + chunk(gzip.compress(b"text")) + END)

    async with serving(answer) as url, transport_of() as transport:
        got = await transport.post(url, {}, b"{}")
        async with opened(got.batches()) as batches:
            assert b"".join([batch async for batch in batches]) == b"text"


async def test_what_arrived_before_the_loss_is_read(transport_of: Open) -> None:
    """However late the reader comes: it was busy when the connection broke."""

    async def answer(connection: Connection) -> None:
        await connection.send(HEAD + chunk(b"first"))
        await connection.send(chunk(b"second"))
        await connection.socket.aclose()

    async with serving(answer) as url, transport_of() as transport:
        reply = await transport.post(url, {}, b"{}")
        for _ in range(100):  # the loss is noticed in a few turns of the event loop
            await anyio.lowlevel.checkpoint()
        *batches, last = await transcript(settled(reply.batches()))
    assert b"".join(batches) == b"firstsecond"  # type: ignore[arg-type]
    assert isinstance(last, Failure)
    assert isinstance(last.error, TransportError)
