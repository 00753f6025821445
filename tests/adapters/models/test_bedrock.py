"""The model against a real server that answers like Bedrock, over both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest

from aura.adapters.models.bedrock import BedrockModel
from aura.adapters.models.complaints import OutOfQuota
from aura.adapters.models.http1_transport import open_http1
from aura.adapters.models.httpx2_transport import open_httpx2
from aura.adapters.models.transport import Transport, TransportError
from aura.errors import (
    ContextOverflow,
    CutOff,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from aura.events import AnyEvent
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.ports import Assistant, Prompt, ToolReply, ToolSpec, User
from tests.adapters.models.bedrock_frames import BEGIN, close, metadata, stop, text, trouble
from tests.adapters.models.chunks import called, counted, said, stopped, usage
from tests.adapters.models.server import END, Answer, Connection, chunk, serving

pytestmark = pytest.mark.anyio

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
PROMPT = Prompt(agent_id="main", system="Be brief.", messages=(User("Hi"),))
CLAUDE = "eu.anthropic.claude-sonnet-4-5-v1:0"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0"
SECRET = "wJalrXUtnFEMI"


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
async def transport(case: tuple[str, str]) -> AsyncIterator[Transport]:
    async with opens(case) as opened_transport:
        yield opened_transport


@pytest.fixture(autouse=True)
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the credentials; nothing of the machine's own is found."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    write(tmp_path / "credentials", "AKIAFIRST")
    return tmp_path / "credentials"


def write(file: Path, key: str) -> None:
    file.write_text(f"[work]\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\n")


def opens(case: tuple[str, str]) -> AbstractAsyncContextManager[Transport]:
    return open_http1() if case[1] == "http1" else open_httpx2()


def model(transport: Transport, url: str, **options: Any) -> BedrockModel:
    return BedrockModel(
        transport=transport,
        ids=counted(),
        base_url=url,
        **{"model": CLAUDE, "region": "eu-central-1", "profile": "work", **options},
    )


async def heard(asked: BedrockModel, prompt: Prompt = PROMPT) -> list[AnyEvent]:
    async with opened(asked.stream(prompt)) as events:
        return [event async for event in events]


async def failure(asked: BedrockModel) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await heard(asked)
    assert SECRET not in str(raised.value) + raised.value.detail
    return raised.value


def sends(*parts: bytes) -> Answer:
    async def answer(connection: Connection) -> None:
        for part in parts:
            await connection.send(part)

    return answer


def plain(status: int, body: bytes, *head: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *head, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


ANSWER = (BEGIN, text("Hi"), close(), stop(), metadata())
HI = [said("Hi"), usage(10, 5), stopped()]


@pytest.mark.parametrize("name", [CLAUDE, ARN])
async def test_a_stream_over_the_network(transport: Transport, name: str) -> None:
    seen: list[Connection] = []

    async def answer(connection: Connection) -> None:
        seen.append(connection)
        await connection.send(HEAD + b"".join(map(chunk, ANSWER)) + END)

    async with serving(answer) as url:
        asked = model(transport, f"{url}/", model=name, temperature=0.5, max_tokens=9)
        assert await heard(asked) == HI
        assert await heard(asked) == HI
    assert asked.name == f"bedrock/{name}"
    assert seen[0].socket is seen[1].socket
    first, *headers = seen[0].head.lower().split("\r\n")
    path = f"/model/{name.replace('/', '%2F')}/converse-stream"
    assert first == f"post {path} http/1.1".lower()
    assert "content-type: application/json" in headers
    assert any("credential=akiafirst/" in header for header in headers)
    assert msgspec.json.decode(seen[0].body) == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"temperature": 0.5, "maxTokens": 9},
    }


@pytest.mark.parametrize(
    ("name", "told", "shown"),
    [
        (CLAUDE, None, True),
        (CLAUDE, False, False),
        ("amazon.nova-pro-v1:0", None, True),
        ("amazon.nova-micro-v1:0", None, False),
        ("mistral.mistral-large-2407-v1:0", None, False),
        ("mistral.mistral-large-2407-v1:0", True, True),
    ],
)
async def test_who_is_shown_the_images_of_tools(
    transport: Transport, name: str, told: bool | None, shown: bool
) -> None:
    bodies: list[bytes] = []

    async def answer(connection: Connection) -> None:
        bodies.append(connection.body)
        await connection.send(HEAD + b"".join(map(chunk, ANSWER)) + END)

    reply = ToolReply("a", "draw", "[image]", ("data:image/png;base64,QUJD",))
    talk = (User("Draw"), Assistant("", (called("a", "draw", "{}"),)), reply)
    tool = ToolSpec(name="draw", description="", parameters=msgspec.Raw(b"{}"))
    prompt = Prompt(agent_id="main", system="", messages=talk, tools=(tool,))
    async with serving(answer) as url:
        await heard(model(transport, url, model=name, tool_images=told), prompt)
    assert (b'"image"' in bodies[0]) is shown


class Unreachable:
    """A transport that knows where it was sent and gets nowhere."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> NoReturn:
        self.urls.append(url)
        raise TransportError("connect", f"no way to {SECRET}")


async def test_bedrock_is_where_the_region_says() -> None:
    transport = Unreachable()
    asked = BedrockModel(
        model=CLAUDE, region="eu-central-1", profile="work", transport=transport, ids=counted()
    )
    error = await failure(asked)
    assert isinstance(error, Unavailable)
    assert transport.urls == [
        f"https://bedrock-runtime.eu-central-1.amazonaws.com/model/{CLAUDE}/converse-stream"
    ]
    assert repr(asked) == f"BedrockModel(name='bedrock/{CLAUDE}')"
    assert asked.most_tools is None


async def test_a_profile_that_does_not_exist_is_named(transport: Transport) -> None:
    error = await failure(model(transport, "http://127.0.0.1:1", profile="gone"))
    assert "'gone'" in str(error)


@pytest.mark.parametrize(
    ("status", "kind", "message", "error", "words"),
    [
        (429, "ThrottlingException", "Too many tokens", RateLimited, "limits the rate"),
        (429, "ModelNotReadyException", "not ready", RateLimited, "limits the rate"),
        (403, "AccessDeniedException", "no access", Rejected, "denied access"),
        (403, "ExpiredTokenException", "expired", Rejected, "have expired"),
        (403, "UnrecognizedClientException", "invalid", Rejected, "did not accept"),
        (403, "InvalidSignatureException", "expired", Rejected, "clock"),
        (404, "ResourceNotFoundException", "unknown", Rejected, "`region`"),
        (400, "ServiceQuotaExceededException", "quota", OutOfQuota, "used up"),
        (400, "ValidationException", "bad field", Rejected, "did not accept the request"),
        (400, "ValidationException", "Input is too long for requested model.", ContextOverflow, ""),
        (408, "ModelTimeoutException", "slow", Unavailable, "could not take"),
        (424, "ModelErrorException", "failed", Unavailable, "could not take"),
        (500, "InternalServerException", "failed", Unavailable, "failed"),
        (503, "ServiceUnavailableException", "busy", Unavailable, "failed"),
    ],
)
async def test_an_error_instead_of_an_answer(
    *,
    transport: Transport,
    status: int,
    kind: str,
    message: str,
    error: type[ProviderError],
    words: str,
) -> None:
    body = msgspec.json.encode({"message": f"{message} {SECRET}"})
    header = f"x-amzn-ErrorType: {kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    async with serving(sends(plain(status, body, header, "Retry-After: 3"))) as url:
        raised = await failure(model(transport, url))
    assert type(raised) is error
    assert raised.upstream_status == status
    assert raised.retry_after == 3
    assert raised.detail == f"{message} ***"
    assert words in str(raised)


async def test_refused_credentials_are_looked_for_again(
    transport: Transport, credentials: Path
) -> None:
    async def answer(connection: Connection) -> None:
        if "AKIASECOND" in connection.head:
            await connection.send(HEAD + b"".join(map(chunk, ANSWER)) + END)
        else:
            head = "x-amzn-ErrorType: ExpiredTokenException"
            await connection.send(plain(403, b'{"message":"expired"}', head))

    async with serving(answer) as url:
        asked = model(transport, url)
        assert isinstance(await failure(asked), Rejected)
        write(credentials, "AKIASECOND")
        assert await heard(asked) == HI


async def test_what_came_before_a_failure_is_kept(transport: Transport) -> None:
    exception = trouble("throttlingException", {"message": "slow down"})
    async with serving(sends(HEAD + chunk(BEGIN + text("Hi") + exception) + END)) as url:
        answer = settled(model(transport, url).stream(PROMPT))
        *events, failed = [event async for event in answer]
    assert events == [said("Hi")]
    assert isinstance(failed, Failure)
    assert isinstance(failed.error, RateLimited)


async def test_an_answer_without_its_end_is_cut_off(transport: Transport) -> None:
    async with serving(sends(HEAD + chunk(BEGIN + text("Hi")) + END)) as url:
        assert isinstance(await failure(model(transport, url)), CutOff)


async def test_a_page_instead_of_an_answer(transport: Transport) -> None:
    page = plain(200, b"<html>hello</html>", "Content-Type: text/html")
    async with serving(sends(page)) as url:
        error = await failure(model(transport, url))
    assert "`base_url`" in str(error)
    assert error.detail == "<html>hello</html>"
