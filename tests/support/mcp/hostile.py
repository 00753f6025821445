"""An MCP server that does what no server should; run as a process of its own.

python tests/support/mcp/hostile.py OFFER     over stdio
python tests/support/mcp/hostile.py --http    over streamable HTTP on loopback, with OFFER as the
                                              path; prints its port once it accepts

OFFER is what it lists, one of OFFERS. What a tool does says its name, one of CALLS, CONTENTS and
LIES, most of which only work over HTTP. Any other tool gives the name that it was called by.
"""

from __future__ import annotations

import base64
import itertools
import json
import logging
import socket
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import uvicorn
from starlette.types import Receive, Scope, Send

Json = dict[str, Any]
Batches = AsyncIterator[list[bytes]]

PLAIN: Json = {"type": "object"}
HANDSHAKE: Json = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {"listChanged": True}},
    "serverInfo": {"name": "hostile", "version": "1"},
}
MEGABYTE = 1_000_000
BATCH = 500


def tool(name: str, schema: object = PLAIN, description: str = "") -> Json:
    """A tool as it is listed."""
    return {"name": name, "description": description, "inputSchema": schema}


def wide(size: int) -> Json:
    """A schema of about so many bytes, with many properties."""
    count = size // 100
    properties = {f"{number:080}": {"type": "string"} for number in range(count)}
    return {"type": "object", "properties": properties}


def crowded(count: int) -> Json:
    """A schema with so many properties of any kind, in few bytes."""
    return {"type": "object", "properties": {f"{number:x}": {} for number in range(count)}}


def bulky(size: int) -> Json:
    """A schema of so many bytes, in one text."""
    return {"type": "object", "description": size * "d"}


def deep(levels: int) -> Json:
    """A schema with so many objects inside each other."""
    schema = PLAIN
    for _ in range(levels):
        schema = {"type": "object", "properties": {"x": schema}}
    return schema


def page(*tools: Json, cursor: str | None = None) -> Json:
    """A page of the list; the cursor says that there is another."""
    return {"tools": [*tools], **({} if cursor is None else {"nextCursor": cursor})}


def many(place: int) -> Json:
    """300 tools, 60 on a page."""
    tools = [tool(f"tool_{number}") for number in range(place, place + 60)]
    return page(*tools, cursor=None if place + 60 >= 300 else str(place + 60))


def thick(place: int) -> Json:
    """40 tools of 5 MB, one on a page."""
    large = tool(f"tool_{place}", bulky(5 * MEGABYTE))
    return page(large, cursor=None if place + 1 == 40 else str(place + 1))


def endless(place: int) -> Json:
    """Ever more tools."""
    tools = [tool(f"tool_{number}") for number in range(place, place + 50)]
    return page(*tools, cursor=str(place + 50))


FINE = tool("fine")

OFFERS: dict[str, Callable[[int], Json]] = {
    "many": many,
    "endless": endless,
    "thick": thick,
    "circular": lambda _: page(cursor="0"),
    "repeated": lambda _: page(FINE, cursor="0"),
    "large": lambda _: page(tool("large", wide(2 * MEGABYTE)), FINE),
    "heavy": lambda _: page(FINE, *(tool(f"tool_{n}", bulky(200_000)) for n in range(60))),
    "wide": lambda _: page(FINE, *(tool(f"tool_{n}", wide(200_000)) for n in range(10))),
    "crowded": lambda _: page(tool("crowded", crowded(19_000)), FINE),
    "deep": lambda _: page(tool("deep", deep(2000)), FINE),
    "nested": lambda _: page(tool("nested", deep(90)), FINE),
    "shapeless": lambda _: page(tool("shapeless", "object"), FINE),
    "nameless": lambda _: page({"inputSchema": PLAIN}, FINE),
    "twice": lambda _: page(tool("fine", description="first"), tool("fine", description="second")),
    "alike": lambda _: page(tool("a b"), tool("a_b")),
    "renamed": lambda _: page(*(tool(f"group/{number}") for number in range(300))),
    "scribbled": lambda _: page(
        tool("\x1b[31mred\x1b[0m"), tool("two\nlines\x00"), tool(10_000 * "n"), tool("gibberish")
    ),
    "wordy": lambda _: page(tool("wordy", description=MEGABYTE * "d"), FINE),
    "plain": lambda _: page(*(tool(name) for name in ("fine", *LIES, *CALLS, *CONTENTS))),
}

QUESTIONS: dict[str, Json] = {
    "ping": {},
    "roots/list": {},
    "sampling/createMessage": {"messages": [], "maxTokens": 1},
    "elicitation/create": {"message": "?", "requestedSchema": {"type": "object", "properties": {}}},
    "secrets/list": {},
}

ABSURD = ("NaN", "Infinity", "-Infinity", "1e400", "-5", '"5"', "true", "null", "{}", "7")
"""What numbers of progress are, as JSON or nearly; the last one is in order."""


def encoded(message: Json) -> bytes:
    """A message as it is sent."""
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


def result(request: Json, content: object) -> bytes:
    """The answer to a request."""
    return encoded({"id": request["id"], "result": content})


def text(request: Json, said: str, *, error: bool = False) -> bytes:
    """The result of a call."""
    return result(request, {"content": [{"type": "text", "text": said}], "isError": error})


def refusal(request: Json, code: int, message: str) -> bytes:
    """The answer to a request that is not met."""
    return encoded({"id": request["id"], "error": {"code": code, "message": message}})


def progress(token: object, number: str, total: str = "100", message: str = "") -> bytes:
    """How far a call is; the numbers are JSON."""
    return (
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":'
        f'{json.dumps(token)},"progress":{number},"total":{total},"message":"{message}"}}}}'
    ).encode()


def notice(method: str, **parameters: object) -> bytes:
    """A message that nobody answers."""
    return encoded({"method": method, "params": parameters})


class Session:
    """What one client has been told, and has answered."""

    def __init__(self, offer: str) -> None:
        self._offer = OFFERS[offer]
        self._lists = 0
        self._answers: dict[str, str] = {}
        self._answered = anyio.Event()
        self._over = anyio.Event()

    def hear(self, answer: Json) -> None:
        """Take the answer to one of our questions."""
        error = answer.get("error", {}).get("code")
        self._answers[answer["id"]] = json.dumps(answer.get("result")) if error is None else error
        if len(self._answers) == len(QUESTIONS):
            self._answered.set()

    async def replies(self, request: Json) -> Batches:
        """What is said to a request."""
        parameters = request.get("params") or {}
        match request["method"]:
            case "initialize":
                yield [result(request, HANDSHAKE)]
            case "tools/list":
                self._lists += 1
                yield [result(request, self._offer(int(parameters.get("cursor") or 0)))]
            case "tools/call":
                name = parameters["name"]
                if name in CONTENTS:
                    yield [result(request, {"content": [CONTENTS[name]]})]
                    return
                if name in LIES:
                    yield [LIES[name](request)[2]]
                    return
                async for batch in CALLS.get(name, Session.named)(self, request):
                    yield batch
            case _:
                yield [refusal(request, -32601, "Method not found")]

    async def named(self, request: Json) -> Batches:
        """The name of the tool, and how often there was a list."""
        yield [text(request, f"{request['params']['name']} ({self._lists} lists)")]
        self._over.set()

    async def flood(self, request: Json) -> Batches:
        """Progress as the arguments say: so many reports of so many characters."""
        token = request["params"]["_meta"]["progressToken"]
        count, size = (request["params"]["arguments"][key] for key in ("count", "size"))
        for start in range(0, count, BATCH):
            steps = range(start, start + BATCH)
            yield [progress(token, str(n), str(count), f"{n} {size * 'x'}") for n in steps]
        yield [text(request, "flooded")]
        self._over.set()

    async def after(self, request: Json) -> Batches:
        """Nothing before another call is over."""
        await self._over.wait()
        yield [text(request, "after")]

    async def absurd(self, request: Json) -> Batches:
        """Progress in numbers that are none, to nobody, and after the result."""
        token = request["params"]["_meta"]["progressToken"]
        yield [progress(token, number) for number in ABSURD]
        yield [progress(token, "7", total) for total in ABSURD]
        yield [progress("nobody's", "7"), progress(None, "7"), progress({}, "7")]
        yield [text(request, "absurd"), progress(token, "8")]

    async def astronomic(self, request: Json) -> Batches:
        """Progress in a whole number that is too large for a fraction."""
        token = request["params"]["_meta"]["progressToken"]
        yield [progress(token, "1" + 400 * "0"), text(request, "astronomic")]

    async def chatter(self, request: Json) -> Batches:
        """Notices by the thousand: logs, what nobody knows, and that the list has changed."""
        said = notice("notifications/message", level="error", data=1000 * "x")
        unknown = notice("notifications/gossip", about=1000 * "x")
        changed = notice("notifications/tools/list_changed")
        for _ in range(1000 // BATCH):
            yield BATCH * [said, unknown, changed]
        yield [text(request, "chatter")]

    async def gibberish(self, request: Json) -> Batches:
        """By the hundred, notices that are not what they should be, and what is no message."""
        wrong = notice("notifications/message", level="loud\x1b[31m\n", data="\x1b[31mred\nline")
        yield 300 * [wrong, b"\x1b[31mred"]
        yield [text(request, "gibberish")]

    async def refused(self, request: Json) -> Batches:
        """A refusal, with the number that most servers give."""
        yield [refusal(request, -32000, "not today")]

    async def questions(self, request: Json) -> Batches:
        """Requests to the client; the result is what it answers."""
        yield [encoded({"id": m, "method": m, "params": p}) for m, p in QUESTIONS.items()]
        await self._answered.wait()
        yield [text(request, json.dumps(self._answers))]

    async def long(self, request: Json) -> Batches:
        """A result of 50 MB."""
        yield [text(request, 50 * MEGABYTE * "x")]

    async def complaint(self, request: Json) -> Batches:
        """An error of 10 MB."""
        yield [text(request, f"head{10 * MEGABYTE * 'x'}tail", error=True)]

    async def lament(self, request: Json) -> Batches:
        """A refusal of 10 MB."""
        yield [refusal(request, -32603, f"head{10 * MEGABYTE * 'x'}tail")]


CALLS: dict[str, Callable[[Session, Json], Batches]] = {
    name: getattr(Session, name)
    for name in (
        "flood",
        "after",
        "absurd",
        "astronomic",
        "chatter",
        "gibberish",
        "refused",
        "questions",
        "long",
        "complaint",
        "lament",
    )
}


def blob(data: bytes) -> Json:
    """A resource that calls itself a text."""
    data = base64.b64encode(data) if data else b"!!!"
    resource = {"uri": "file:///r", "mimeType": "text/plain", "blob": data.decode()}
    return {"type": "resource", "resource": resource}


CONTENTS: dict[str, Json] = {
    "painted": {"type": "image", "mimeType": "image/png", "data": "bm8gcGljdHVyZQ=="},
    "smeared": {"type": "image", "mimeType": "image/png", "data": "!!!"},
    "sung": {"type": "audio", "mimeType": "audio/wav", "data": "!!!"},
    "encrypted": blob(b"\xff\xfe"),
    "scrambled": blob(b""),
    "unheard_of": {"type": "smell", "data": "roses"},
}
"""The content of a result that is not what it says."""


def bomb(megabytes: int) -> bytes:
    """So much of nothing, in little."""
    squeezed = zlib.compressobj(1, wbits=31)
    parts = [squeezed.compress(MEGABYTE * b" ") for _ in range(megabytes)]
    return b"".join([*parts, squeezed.flush()])


Answer = tuple[int, dict[str, str], bytes]
EVENTS = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}

LIES: dict[str, Callable[[Json], Answer]] = {
    "page": lambda r: (200, {"content-type": "text/html"}, text(r, "x")),
    "image": lambda r: (200, {"content-type": "image/png"}, text(r, "x")),
    "unlabelled": lambda r: (200, {}, text(r, "x")),
    "eventless": lambda r: (200, EVENTS, text(r, "x")),
    "eventful": lambda r: (200, JSON, b"data: " + text(r, "x") + b"\n\n"),
    "empty": lambda _: (200, JSON, b""),
    "silent": lambda _: (200, EVENTS, b""),
    "accepted": lambda _: (202, {}, b""),
    "void": lambda _: (204, {}, b""),
    "broken": lambda r: (200, JSON, text(r, "x")[:-1]),
    "broken_event": lambda r: (200, EVENTS, b"data: " + text(r, "x")[:-1] + b"\n\n"),
    "latin": lambda r: (200, JSON, text(r, "x").replace(b"x", b"\xff")),
    "latin_event": lambda r: (200, EVENTS, text(r, "\xff").replace(b"x", b"\xff") + b"\n\n"),
    "misaddressed": lambda r: (200, JSON, text({"id": 1234}, "x")),
    "word": lambda r: (200, JSON, result(r, "x")),
    "wrapped": lambda r: (200, JSON, result(r, {"content": "x"})),
    "list": lambda r: (200, JSON, b"[" + text(r, "x") + b"]"),
    "short": lambda r: (200, {**JSON, "content-length": "1000"}, text(r, "x")),
    "zipped": lambda r: (200, {**JSON, "content-encoding": "gzip"}, text(r, "x")),
    "bomb": lambda _: (200, {**JSON, "content-encoding": "gzip"}, bomb(120)),
}
"""Answers to a call that are not what they say."""

sessions: dict[str, Session] = {}
numbers = itertools.count(1)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Every request."""
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    if scope["method"] != "POST":
        await answer(send, 405, {}, b"")
        return
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part["body"], part.get("more_body", False)
    message = json.loads(body)
    if message.get("method") == "initialize":
        number = str(next(numbers))
        sessions[number] = Session(scope["path"].strip("/"))
        await answer(send, 200, {**JSON, "mcp-session-id": number}, result(message, HANDSHAKE))
        return
    session = sessions.get(headers.get("mcp-session-id", ""))
    name = (message.get("params") or {}).get("name", "")
    if "method" not in message or "id" not in message:
        if session is not None and "id" in message:
            session.hear(message)
        await answer(send, 202, {}, b"")
    elif session is None:
        await answer(send, 200, JSON, refusal(message, -32601, "Method not found"))
    elif name in LIES:
        await answer(send, *LIES[name](message))
    else:
        await send(start(200, EVENTS))
        async for batch in session.replies(message):
            events = b"".join(b"data: %b\n\n" % each for each in batch)
            await send({"type": "http.response.body", "body": events, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def start(status: int, headers: dict[str, str]) -> Json:
    """The begin of a response."""
    encoded_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded_headers}


async def answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    """A whole response."""
    await send(start(status, headers))
    await send({"type": "http.response.body", "body": body})


def over_http() -> None:
    """Serve until killed."""
    config = uvicorn.Config(app, log_level="critical", lifespan="off")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run([listener])


async def over_stdio(offer: str) -> None:
    """Serve until standard input ends."""
    session = Session(offer)
    async with anyio.create_task_group() as tasks:
        async for line in anyio.wrap_file(sys.stdin):
            message = json.loads(line)
            if "method" not in message:
                session.hear(message)
            elif "id" in message:
                tasks.start_soon(say, session, message)
        tasks.cancel_scope.cancel()


async def say(session: Session, request: Json) -> None:
    """Everything that there is to say to a request."""
    async for batch in session.replies(request):
        sys.stdout.buffer.write(b"".join(each + b"\n" for each in batch))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.setrecursionlimit(20_000)  # to write what is deep
    if sys.argv[1] == "--http":
        over_http()
    else:
        anyio.run(over_stdio, sys.argv[1])
