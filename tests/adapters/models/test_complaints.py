"""What servers answer when they fail."""

from __future__ import annotations

import msgspec
import pytest

from aura.adapters.models.complaints import (
    CONTEXT_OVERFLOW_MESSAGES,
    MAX_DETAIL,
    OutOfQuota,
    complaint,
    from_answer,
    from_stream,
    retry_after,
)
from aura.errors import ContextOverflow, ProviderError, RateLimited, Rejected, Unavailable
from aura.masking import Mask


def error(status: int, body: object = b"", **headers: str) -> ProviderError:
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_answer(
        "openai/gpt", status, names, encoded, mask=Mask(["sk-1"]), now=1_767_225_600.0
    )


def of(message: str = "", code: object = None, kind: str = "invalid_request_error") -> object:
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable", "says"),
    [
        (400, of("bad"), Rejected, False, "did not accept"),
        (400, of("x", "context_length_exceeded"), ContextOverflow, False, "context window"),
        (400, of("x", None, "exceed_context_size_error"), ContextOverflow, False, "window"),
        (401, of("no", "invalid_api_key"), Rejected, False, "`api_key`"),
        (403, of(), Rejected, False, "what the API key may use"),
        (404, of("no", "model_not_found"), Rejected, False, "`base_url`"),
        (405, b"<html>", Rejected, False, "did not accept"),
        (408, b"", Unavailable, True, "Try again"),
        (409, b"", Unavailable, True, "Try again"),
        (413, b"", Rejected, False, "too large"),
        (422, {"detail": [{"loc": ["body"]}]}, Rejected, False, "did not accept"),
        (425, b"", Unavailable, True, "Try again"),
        (429, of("slow", "rate_limit_exceeded"), RateLimited, True, "limits the rate"),
        (429, of("pay", "insufficient_quota"), OutOfQuota, False, "billing"),
        (500, b"oops", Unavailable, True, "failed (500)"),
        (503, b"", Unavailable, True, "failed (503)"),
        (529, of("o", None, "overloaded_error"), Unavailable, True, "failed (529)"),
        (307, b"", Rejected, False, "redirects (307)"),
    ],
)
def test_a_status_and_a_body_become_an_error(
    status: int, body: object, kind: type[ProviderError], retryable: bool, says: str
) -> None:
    raised = error(status, body)
    assert kind is type(raised)
    assert retryable is raised.retryable
    assert status == raised.upstream_status
    assert says in str(raised)
    assert "openai/gpt" in str(raised)


@pytest.mark.parametrize(
    "kind",
    [
        "ExpiredTokenException",
        "ExpiredTokenException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        "com.amazon.coral.service#ExpiredTokenException",
    ],
)
def test_aws_names_the_class_of_its_error_in_a_header(kind: str) -> None:
    raised = error(403, {"Message": "sk-1 is old"}, **{"x-amzn-errortype": kind})
    assert "have expired (403)" in str(raised)
    assert raised.detail == "*** is old"


OVERFLOWS = [
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens",
    "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
    "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease",
    "prompt too long; exceeded max context length by 12 tokens",
    "The model is loaded with context length of only 4096 tokens",
    "Reached context length of 4096 tokens with this model",
    "Please reduce the length of the messages or completion.",
    "The model returned the following errors: Input is too long for requested model.",
    "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update it.",
    "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease it",
]


@pytest.mark.parametrize("message", OVERFLOWS)
def test_servers_that_say_overflow_in_words(message: str) -> None:
    assert isinstance(error(400, of(message)), ContextOverflow)


def test_every_row_of_the_table_has_a_case() -> None:
    assert all(
        any(row.search(message) for message in OVERFLOWS) for row in CONTEXT_OVERFLOW_MESSAGES
    )


@pytest.mark.parametrize(
    "message", ["max_tokens must be positive", "Unknown parameter: context", "tokens per minute"]
)
def test_words_that_are_no_overflow(message: str) -> None:
    assert isinstance(error(400, of(message)), Rejected)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "9", "retry-after-ms": "soon"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:20 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 2015 00:00:00 GMT"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "later"}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds == retry_after(headers, 1_767_225_600.0)


def test_the_wait_reaches_the_error() -> None:
    assert error(429, b"", retry_after="7").retry_after == 7.0
    assert error(503, b"", retry_after_ms="7").retry_after == 0.007


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (of("Incorrect key sk-1 given"), "Incorrect key *** given"),
        ({"error": "flat"}, "flat"),
        ({"object": "error", "message": "vllm", "code": 400}, "vllm"),
        ({"detail": "fastapi"}, "fastapi"),
        ([{"error": {"message": "listed", "code": 400, "status": "INVALID"}}], "listed"),
        (b"plain sk-1", "plain ***"),
        (b"\xff", "\ufffd"),
        (b"x" * 9000, "x" * (MAX_DETAIL - 1) + "…"),
    ],
)
def test_the_providers_words_are_detail_only(body: object, detail: str) -> None:
    raised = error(400, body)
    assert detail == raised.detail
    assert detail not in str(raised)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ({"error": {"code": 429}}, RateLimited, 429),
        ({"error": {"code": "502"}}, Unavailable, 502),
        ({"error": {"type": "authentication_error"}}, Rejected, 401),
        ({"error": {"code": "insufficient_quota"}}, OutOfQuota, 429),
        ({"error": {"type": "exceed_context_size_error"}}, ContextOverflow, 500),
        ({"error": {"message": "?"}}, Unavailable, 500),
        ({}, Unavailable, 500),
        (7, Unavailable, 500),
    ],
)
def test_a_complaint_within_a_stream(body: object, kind: type[ProviderError], status: int) -> None:
    raised = from_stream("openai/gpt", complaint(body))
    assert kind is type(raised)
    assert status == raised.upstream_status


def test_a_body_that_nests_too_deeply_is_taken_as_text() -> None:
    error = from_answer("openai/gpt", 400, {}, b'{"error":' + b"[" * 100_000)
    assert isinstance(error, Rejected)
    assert error.detail.startswith('{"error":[[[')
