"""Our own HTTP/1.1 against servers that do what they should not, and at every cut."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import gzip
import ipaddress
import itertools
import ssl
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.models._http1_link import MOST_HEADERS, ROOM, Link
from aura.adapters.models._http1_reply import PIECE, Reply
from aura.adapters.models.http1_transport import open_http1
from aura.adapters.models.transport import TransportError
from aura.pipeline.compose import opened
from tests.adapters.models.server import END, HEAD, Answer, Connection, chunk, serving

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
SHORT = OK + b"Content-Length: 2\r\n\r\nhi"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def saying(*parts: bytes, then_close: bool = False, seen: list[int] | None = None) -> Answer:
    """Answers every request with the same bytes; notes on which sockets."""

    async def answer(connection: Connection) -> None:
        if seen is not None:
            seen.append(id(connection.socket))
        for part in parts:
            await connection.send(part)
        if then_close:
            await connection.socket.aclose()

    return answer


async def body(reply: Reply) -> bytes:
    async with opened(reply.batches()) as batches:
        return b"".join([batch async for batch in batches])


async def asked(answer: Answer, *, times: int = 1) -> list[tuple[int, bytes]]:
    """Status and body of so many requests, one after the other."""
    async with serving(answer) as url, open_http1() as transport:
        got = []
        for _ in range(times):
            reply = await transport.post(url, {}, b"{}")
            got.append((reply.status, await body(reply)))
        return got


async def failed(answer: Answer) -> TransportError:
    """Why a request fails."""
    async with serving(answer) as url, open_http1() as transport:
        with pytest.raises(TransportError) as raised:
            await body(await transport.post(url, {}, b"{}"))
        return raised.value


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param((SHORT,), (200, b"hi"), id="length"),
        pytest.param((HEAD + chunk(b"h"), chunk(b"i") + END), (200, b"hi"), id="chunks"),
        pytest.param((HEAD + chunk(b"hi") + b"0\r\nX: y\r\n\r\n",), (200, b"hi"), id="trailers"),
        pytest.param((b"HTTP/1.1 100 Continue\r\n\r\n", SHORT), (200, b"hi"), id="continue"),
        pytest.param(
            (b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + SHORT,), (200, b"hi"), id="hints"
        ),
        pytest.param((b"HTTP/1.1 204 No Content\r\n\r\n",), (204, b""), id="no content"),
        pytest.param((OK + b"content-LENGTH: 2\r\n\r\n", b"h", b"i"), (200, b"hi"), id="pieces"),
    ],
)
async def test_every_kind_of_answer_leaves_a_connection_that_is_used_again(
    parts: tuple[bytes, ...], expected: tuple[int, bytes]
) -> None:
    seen: list[int] = []
    assert await asked(saying(*parts, seen=seen), times=2) == [expected] * 2
    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi",), id="close"),
        pytest.param((b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",), id="old"),
        pytest.param((SHORT + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",), id="two answers"),
        pytest.param((SHORT + OK,), id="half of another"),
    ],
)
async def test_a_connection_that_cannot_be_trusted_is_not_used_again(
    parts: tuple[bytes, ...],
) -> None:
    seen: list[int] = []
    assert await asked(saying(*parts, seen=seen), times=2) == [(200, b"hi")] * 2
    assert len(set(seen)) == 2


async def test_a_body_that_ends_with_the_connection() -> None:
    assert (
        await asked(saying(OK + b"\r\nuntil", b" here", then_close=True), times=2)
        == [(200, b"until here")] * 2
    )


async def test_a_body_with_a_length_is_not_whole_when_the_connection_ends() -> None:
    error = await failed(saying(OK + b"Content-Length: 9\r\n\r\nuntil", then_close=True))
    assert error.kind == "read"
    assert "closed the connection" in str(error)


async def test_what_nobody_asked_for_ends_a_spare_connection() -> None:
    """A server that gives up an idle connection may say so first (408)."""
    seen: list[int] = []
    said = anyio.Event()

    async def answer(connection: Connection) -> None:
        seen.append(id(connection.socket))
        await connection.send(SHORT)
        if len(seen) == 1:
            await anyio.lowlevel.checkpoint()
            await connection.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            await connection.gone()
            said.set()

    async with serving(answer) as url, open_http1() as transport:
        assert await body(await transport.post(url, {}, b"{}")) == b"hi"
        await said.wait()
        assert await body(await transport.post(url, {}, b"{}")) == b"hi"
    assert len(set(seen)) == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP", id="another protocol"),
        pytest.param(OK + b"X: " + b"x" * MOST_HEADERS, "have more than", id="long headers"),
        pytest.param(OK + b"X: y\r\n" * (MOST_HEADERS // 6), "have more than", id="many headers"),
        pytest.param(
            OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "not HTTP", id="both"
        ),
        pytest.param(
            b"HTTP/1.1 101 Upgrade\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "", id="101"
        ),
        pytest.param(HEAD + b"zz\r\n", "not HTTP", id="chunk without length"),
        pytest.param(
            OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nhi", "'br'", id="brotli"
        ),
        pytest.param(
            OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
            "cannot be decompressed",
            id="not gzip",
        ),
    ],
)
async def test_an_answer_that_cannot_be_read(said: bytes, why: str) -> None:
    error = await failed(saying(said, then_close=True))
    assert error.kind == "read"
    assert why in str(error)


async def test_a_body_that_swells_comes_in_pieces() -> None:
    swollen = gzip.compress(bytes(8 * PIECE))
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(swollen)
    async with serving(saying(head + swollen)) as url, open_http1() as transport:
        reply = await transport.post(url, {}, b"{}")
        sizes = [len(batch) async for batch in reply.batches()]
    assert sum(sizes) == 8 * PIECE
    assert max(sizes) <= PIECE


async def test_a_server_has_to_wait_for_a_reader_that_does_not_read() -> None:
    size = 32 * ROOM
    sent: list[int] = []

    async def answer(connection: Connection) -> None:
        await connection.send(OK + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(32):
            await connection.send(bytes(ROOM))
            sent.append(ROOM)

    async with serving(answer) as url, open_http1() as transport:
        reply = await transport.post(url, {}, b"{}")
        while reply.waiting <= ROOM:
            await anyio.lowlevel.checkpoint()
        for _ in range(500):
            await anyio.lowlevel.checkpoint()
        assert reply.waiting < 4 * ROOM
        assert sum(sent) < size
        assert len(await body(reply)) == size


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\x00b"])
async def test_a_header_that_would_break_the_request_is_not_sent(value: str) -> None:
    seen: list[int] = []
    async with serving(saying(SHORT, seen=seen)) as url, open_http1() as transport:
        for headers in ({"Authorization": value}, {value: "x"}):
            with pytest.raises(TransportError, match="characters") as raised:
                await transport.post(url, headers, b"{}")
            assert "a\n" not in str(raised.value)
    assert seen == []


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/", "http://", "127.0.0.1:80", "http://127.0.0.1:99999/", "http://[::1/"],
)
async def test_a_url_that_leads_nowhere(url: str) -> None:
    async with open_http1() as transport:
        with pytest.raises(TransportError, match="URL") as raised:
            await transport.post(url, {}, b"{}")
    assert raised.value.kind == "connect"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "POST / "),
        ("/v1?key=a%20b", "POST /v1?key=a%20b "),
        ("/model/a:b%2Fc/converse", "POST /model/a:b%2Fc/converse "),
        ("/v1/größe x", "POST /v1/gr%C3%B6%C3%9Fe%20x "),
        ("/v1#fragment", "POST /v1 "),
    ],
)
async def test_the_path_is_sent_as_it_was_signed(path: str, line: str) -> None:
    heads: list[str] = []

    async def answer(connection: Connection) -> None:
        heads.append(connection.head)
        await connection.send(SHORT)

    async with serving(answer) as url, open_http1() as transport:
        await body(await transport.post(url + path, {"X-Name": "é"}, b"{}"))
    assert heads[0].startswith(line + "HTTP/1.1\r\nHost: 127.0.0.1:")
    assert "X-Name: é" in heads[0]


async def test_a_connection_that_nobody_needs_is_closed() -> None:
    gone = anyio.Event()

    async def answer(connection: Connection) -> None:
        await connection.send(SHORT)
        await connection.gone()
        gone.set()

    async with serving(answer) as url, open_http1(keep_alive=0.01) as transport:
        await body(await transport.post(url, {}, b"{}"))
        with anyio.fail_after(5):
            await gone.wait()


async def test_closing_the_transport_ends_what_is_under_way() -> None:
    async def answer(connection: Connection) -> None:
        await connection.send(HEAD + chunk(b"x"))
        await connection.gone()

    async with serving(answer) as url:
        async with open_http1() as transport:
            reply = await transport.post(url, {}, b"{}")
        with pytest.raises(TransportError, match="given up"):
            await body(reply)


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A server that answers, or without `tls` one that takes connections and says nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if tls is not None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(SHORT)
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for this machine, signed by nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    now = dt.datetime.now(dt.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "here.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def served_by(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_a_certificate_that_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with listening(served_by(certificate)) as port, open_http1() as transport:
        assert await body(await transport.post(f"https://127.0.0.1:{port}/", {}, b"{}")) == b"hi"


async def test_a_certificate_that_nobody_vouches_for(certificate: Path) -> None:
    async with listening(served_by(certificate)) as port, open_http1() as transport:
        with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED") as raised:
            await transport.post(f"https://127.0.0.1:{port}/", {}, b"{}")
    assert raised.value.kind == "connect"


async def test_a_certificate_for_another_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with listening(served_by(certificate)) as port, open_http1() as transport:
        with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
            await transport.post(f"https://localhost:{port}/", {}, b"{}")


async def test_a_handshake_that_does_not_end_is_bounded() -> None:
    async with listening(None) as port, open_http1(connect_timeout=0.05) as transport:
        with pytest.raises(TransportError, match=r"within 0\.05 seconds") as raised:
            await transport.post(f"https://127.0.0.1:{port}/", {}, b"{}")
    assert raised.value.kind == "connect"


class Wire(asyncio.Transport):
    """What a link writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def writelines(self, _: object) -> None:
        """Nobody reads it."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


RECORDED = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    + HEAD
    + b"".join(map(chunk, (b"data: a\n\n", b"data: ", "ü".encode(), b"\n\n")))
    + END
)
TEXT = "data: a\n\ndata: ü\n\n".encode()


@given(st.sets(st.integers(1, len(RECORDED) - 1)))
def test_an_answer_is_the_same_however_it_is_cut(cuts: set[int]) -> None:
    async def read() -> tuple[int, bytes, list[Link]]:
        spare: list[Link] = []
        link = Link(silence=10.0, spare=spare.append, gone=spare.remove)
        link.connection_made(Wire())
        reply = link.send(b"", b"")
        edges = [0, *sorted(cuts), len(RECORDED)]
        for start, end in itertools.pairwise(edges):
            link.data_received(RECORDED[start:end])
        await reply.head()
        return reply.status, await body(reply), spare

    status, text, spare = asyncio.run(read())
    assert (status, text, len(spare)) == (200, TEXT, 1)


async def test_the_next_request_begins_before_the_last_reader_has_woken() -> None:
    spare: list[Link] = []
    link = Link(silence=10.0, spare=spare.append, gone=spare.remove)
    link.connection_made(Wire())
    loop = asyncio.get_running_loop()
    with anyio.fail_after(5):
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(body(link.send(b"", b"")))
            await anyio.lowlevel.checkpoint()
            link.data_received(SHORT)
            loop.call_soon(lambda: loop.call_soon(link.data_received, SHORT))
            assert await body(spare.pop().send(b"", b"")) == b"hi"
        assert first.result() == b"hi"


async def test_an_answer_leaves_nothing_to_the_collector() -> None:
    async with serving(saying(HEAD + chunk(b"x") + END)) as url, open_http1() as transport:
        await body(await transport.post(url, {}, b"{}"))
        gc.collect()
        gc.disable()
        try:
            reply = await transport.post(url, {}, b"{}")
            await body(reply)
            left = weakref.ref(reply)
            del reply
            assert left() is None
        finally:
            gc.enable()
