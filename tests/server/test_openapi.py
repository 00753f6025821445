"""The document that describes the API is true of the application."""

from __future__ import annotations

import re
from typing import Any

import pytest
from httpx import Response
from jsonschema import Draft202012Validator
from litestar.routes import HTTPRoute
from schemathesis.specs.openapi.definitions import OPENAPI_31

from aura.server.chat import PATH
from aura.server.drain import Drain
from tests.server.test_routes import CHAT, application, client, question, served
from tests.support.agents import agent, says

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def document() -> dict[str, Any]:
    async with client() as http:
        answer = await http.get("/schema/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    shown: dict[str, Any] = answer.json()
    return shown


async def test_every_route_is_described_and_no_other() -> None:
    described = {
        (path, method.upper())
        for path, operations in (await document())["paths"].items()
        for method in operations
    }
    routes = [route for route in application().routes if isinstance(route, HTTPRoute)]
    served = {
        (re.sub(r"\{run_id:str\}", "{id}", route.path), method)
        for route in routes
        for method in route.methods
        if method != "OPTIONS"
    } | {(PATH, "POST")}
    assert described == served


async def test_the_document_is_one_of_openapi() -> None:
    assert list(Draft202012Validator(OPENAPI_31).iter_errors(await document())) == []


async def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    shown = await document()
    schemas = shown["components"]["schemas"]
    text = str(shown)
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    names = [op["operationId"] for path in shown["paths"].values() for op in path.values()]
    assert len(set(names)) == len(names)


def check(shown: dict[str, Any], path: str, method: str, answer: Response) -> None:
    """The answer is one of those that the document says there are."""
    described = shown["paths"][path][method]["responses"][str(answer.status_code)]
    schema = described["content"]["application/json"]["schema"]
    whole = {**schema, "components": shown["components"]}
    assert list(Draft202012Validator(whole).iter_errors(answer.json())) == []
    named = {name.lower() for name in described.get("headers", ())}
    assert set(answer.headers) <= named | {"content-type", "content-length"}


async def test_answers_are_what_the_document_says() -> None:
    shown = await document()
    async with client() as http:
        answers = {
            ("/v1/models", "get"): await http.get("/v1/models"),
            ("/aura/info", "get"): await http.get("/aura/info"),
            (CHAT, "post"): await http.post(CHAT, json=question()),
            ("/aura/runs", "get"): await http.get("/aura/runs"),
            ("/aura/runs/{id}", "get"): await http.get("/aura/runs/run_1"),
            ("/aura/runs/{id}/cancel", "post"): await http.post("/aura/runs/run_1/cancel"),
            ("/health", "get"): await http.get("/health"),
            ("/ready", "get"): await http.get("/ready"),
        }
    assert {answer.status_code for answer in answers.values()} == {200}
    for (path, method), answer in answers.items():
        check(shown, path, method, answer)


async def test_the_examples_are_answered() -> None:
    body = (await document())["paths"][CHAT]["post"]["requestBody"]["content"]["application/json"]
    async with client(served("one", agent=agent(says("a"), says("b"))), default="one") as http:
        answers = [
            await http.post(CHAT, json=example["value"]) for example in body["examples"].values()
        ]
    kinds = [answer.headers["content-type"].partition(";")[0] for answer in answers]
    assert kinds == ["application/json", "text/event-stream"]


ONE, EVENTS, CANCEL = (f"/aura/runs/{{id}}{end}" for end in ("", "/events", "/cancel"))


@pytest.mark.parametrize(
    ("status", "path", "method", "asked"),
    [
        (400, CHAT, "post", {"json": {"messages": []}}),
        (404, CHAT, "post", {"json": question(model="nobody")}),
        (404, CHAT, "post", {"json": question(), "headers": {"last-event-id": "run_9:1"}}),
        (413, CHAT, "post", {"json": question(user="x" * 2000)}),
        (415, CHAT, "post", {"content": b"{}"}),
        (422, CHAT, "post", {"json": {"messages": 1}}),
        (400, "/aura/info", "get", {"params": {"detail": "x"}}),
        (400, "/aura/runs", "get", {"params": {"limit": "x"}}),
        (404, ONE, "get", {}),
        (404, EVENTS, "get", {}),
        (404, CANCEL, "post", {}),
        (431, ONE, "get", {"headers": {"x-long": "x" * 3000}}),
        (431, "/health", "get", {"headers": {"x-long": "x" * 3000}}),
        (405, "/health", "post", {}),
        (405, CANCEL, "get", {}),
    ],
)
async def test_errors_are_what_the_document_says(
    status: int, path: str, method: str, asked: dict[str, Any]
) -> None:
    shown = await document()
    agents = (served("one"), served("other"))
    async with client(*agents, max_body_bytes=1000, max_header_bytes=2000) as http:
        answer = await http.request(method, path.replace("{id}", "run_0"), **asked)
    assert answer.status_code == status
    known = "get" if "get" in shown["paths"][path] else "post"
    check(shown, path, known, answer)


async def test_refusals_are_what_the_document_says() -> None:
    shown = await document()
    closing = Drain()
    async with client(auth_tokens=("t",), drain=closing) as http:
        guarded = [
            (path, method)
            for path, operations in shown["paths"].items()
            for method, operation in operations.items()
            if operation.get("security") != []
        ]
        for path, method in guarded:
            answer = await http.request(method, path.replace("{id}", "run_0"))
            assert answer.status_code == 401
            check(shown, path, method, answer)
        await closing.close(0)
        for path, operations in shown["paths"].items():
            for method in operations:
                answer = await http.request(method, path.replace("{id}", "run_0"))
                assert answer.status_code == 503
                check(shown, path, method, answer)
