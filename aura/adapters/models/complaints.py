"""What providers answer when they fail, as our errors. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from aura.errors import (
    ContextOverflow,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from aura.masking import NOTHING_SECRET, Mask

UNREADABLE = (ValueError, RecursionError)
"""What decoding raises: the second where JSON nests too deeply to be meant."""

MAX_DETAIL = 2048
"""Characters of the provider's own words that are kept for the log."""

CONTEXT_OVERFLOW_CODES = {"context_length_exceeded", "exceed_context_size_error"}

CONTEXT_OVERFLOW_MESSAGES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"maximum (context|prompt) length",  # OpenAI, vLLM, DeepSeek, OpenRouter, xAI, Mistral
        r"exceeds? the available context size",  # llama-server
        r"longer than the model's context length",  # SGLang
        r"`inputs` tokens \+ `max_new_tokens` must be",  # TGI, Together
        r"`inputs` must have less than \d+ tokens",  # TGI
        r"input token count.* exceeds the maximum number of tokens",  # Gemini
        r"prompt is too long: \d+ tokens",  # Anthropic
        r"input length and `max_tokens` exceed context limit",  # Anthropic, older models
        r"exceeded max context length",  # Ollama
        r"loaded with context length of only|reached context length of",  # LM Studio
        r"reduce the length of the messages",  # Groq
        r"input is too long for requested model",  # Bedrock
        r"number of input tokens exceeds maximum length",  # Bedrock's Nova
    )
)
"""How servers without a code of their own say that the conversation is too long."""

NO_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}

STATUS_OF = {
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "internal_server_error": 500,
    "unavailable_error": 503,
    "overloaded_error": 503,
    "ValidationException": 400,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
"""The status that a code or type stands for, when an error came inside a stream."""


_BUSY = "The provider of {model} could not take the request ({status}). Try again."

MEANINGS: dict[int, tuple[type[ProviderError], str]] = {
    401: (Rejected, "The provider of {model} refused the API key (401). Check `api_key`."),
    403: (
        Rejected,
        "The provider of {model} denied access (403). Check what the API key may use.",
    ),
    404: (
        Rejected,
        "The provider does not know {model} (404). Check `model` and `base_url`.",
    ),
    408: (Unavailable, _BUSY),
    409: (Unavailable, _BUSY),
    413: (
        Rejected,
        "The request is too large for the provider of {model} (413). Shorten it.",
    ),
    424: (Unavailable, _BUSY),
    425: (Unavailable, _BUSY),
    429: (
        RateLimited,
        "The provider of {model} limits the rate of requests. Try again later.",
    ),
}
"""What a status means by itself."""


class OutOfQuota(RateLimited):
    """The account has no quota left: a 429 that does not go away by asking again."""

    retryable = False


_UNKNOWN_IDENTITY = (
    "AWS did not accept the credentials for {model} ({status}). Check them, `profile` and the clock"
    " of this machine."
)

MEANINGS_OF_TYPES: dict[str, tuple[type[ProviderError], str]] = {
    "AccessDeniedException": (
        Rejected,
        "AWS denied access to {model} ({status}). Check what its identity may use in `region`.",
    ),
    "ExpiredTokenException": (
        Rejected,
        "The AWS credentials for {model} have expired ({status}). Renew them.",
    ),
    "InvalidSignatureException": (Rejected, _UNKNOWN_IDENTITY),
    "UnrecognizedClientException": (Rejected, _UNKNOWN_IDENTITY),
    "ResourceNotFoundException": (
        Rejected,
        "Bedrock does not know {model} ({status}). Check `model` and `region`.",
    ),
    "API_KEY_INVALID": (
        Rejected,
        "The provider of {model} refused the API key ({status}). Check `api_key`.",
    ),
    "ServiceQuotaExceededException": (
        OutOfQuota,
        "The quota of the AWS account for {model} is used up. Check it in this `region`.",
    ),
}
"""What the class of an error of AWS, or the reason of one of Google, means, whatever the status."""


class Complaint(msgspec.Struct, frozen=True):
    """What a server said about its failure; empty where it said nothing. `wait` is in seconds."""

    message: str = ""
    type: str = ""
    code: str = ""
    status: int | None = None
    wait: float | None = None

    def is_overflow(self) -> bool:
        """Whether the conversation was too long."""
        return not CONTEXT_OVERFLOW_CODES.isdisjoint((self.code, self.type)) or any(
            pattern.search(self.message) for pattern in CONTEXT_OVERFLOW_MESSAGES
        )


def complaint(value: object) -> Complaint:
    """The complaint in a decoded error body, an `error` member or a bare text."""
    while isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return Complaint(message=value if isinstance(value, str) else "")
    inner = value.get("error")
    if isinstance(inner, dict):
        value = inner
    elif isinstance(inner, str):
        value = {**value, "message": inner}
    message = value.get("message") or value.get("Message") or value.get("detail") or ""
    code = value.get("code")
    text = "" if code is None else str(code)
    reason, wait = _details(value.get("details"))
    return Complaint(
        message=message if isinstance(message, str) else str(message),
        type=str(value.get("type") or reason),
        code=text,
        status=int(text) if re.fullmatch(r"[345]\d\d", text) else None,
        wait=wait,
    )


def _details(value: object) -> tuple[str, float | None]:
    """The reason that Google's services give beside an error, and how long they want us to wait."""
    reason, wait = "", None
    for detail in value if isinstance(value, list) else ():
        if isinstance(detail, dict):
            reason = reason or str(detail.get("reason") or "")
            if found := re.fullmatch(r"(\d{1,6}(?:\.\d{1,9})?)s", str(detail.get("retryDelay"))):
                wait = float(found[1])
    return reason, wait


def from_answer(
    model: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    mask: Mask = NOTHING_SECRET,
    now: float = 0.0,
) -> ProviderError:
    """The error for an answer that is not a success.

    `mask` takes the secrets out of the detail; `now` is seconds since the epoch.
    """
    try:
        said = complaint(msgspec.json.decode(body))
    except UNREADABLE:
        said = Complaint()
    if kind := _aws_type(headers):
        said = msgspec.structs.replace(said, type=kind)
    words = said.message or body.decode(errors="replace")
    wait = retry_after(headers, now)
    return _error(model, said, status, bounded(words, mask), said.wait if wait is None else wait)


def _aws_type(headers: Mapping[str, str]) -> str:
    """The class of the error, which services of AWS give between a namespace and a URL."""
    return headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2]


def from_stream(model: str, said: Complaint, *, mask: Mask = NOTHING_SECRET) -> ProviderError:
    """The error for a complaint that came after a successful status line."""
    status = said.status or STATUS_OF.get(said.code) or STATUS_OF.get(said.type) or 500
    words = said.message or said.code or said.type
    return _error(model, said, status, bounded(words, mask), said.wait)


def bounded(words: str, mask: Mask) -> str:
    """The words without the secrets, and not too many of them."""
    words = mask(words)
    return words if len(words) <= MAX_DETAIL else words[: MAX_DETAIL - 1] + "…"


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` (seconds or a date)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _error(
    model: str, said: Complaint, status: int, detail: str, wait: float | None
) -> ProviderError:
    kind, text = _meaning(said, status)
    return kind(
        text.format(model=model, status=status),
        detail=detail,
        upstream_status=status,
        retry_after=wait,
    )


def _meaning(said: Complaint, status: int) -> tuple[type[ProviderError], str]:
    """The class of the error and its message, in which `{model}` and `{status}` stand."""
    if status in {400, 413, 422, 500} and said.is_overflow():
        return ContextOverflow, (
            "The conversation does not fit the context window of {model}. Shorten it, or narrow"
            " what the tools return."
        )
    if status == 429 and not NO_QUOTA.isdisjoint((said.code, said.type)):
        return OutOfQuota, "The account for {model} has no quota left. Check its plan and billing."
    if said.type in MEANINGS_OF_TYPES:
        return MEANINGS_OF_TYPES[said.type]
    if status in MEANINGS:
        return MEANINGS[status]
    if status >= 500:
        return Unavailable, "The provider of {model} failed ({status}). Try again later."
    if 300 <= status < 400:
        return Rejected, (
            "The address of {model} redirects ({status}), which is not followed. Set `base_url` to"
            " the final address."
        )
    return Rejected, (
        "The provider of {model} did not accept the request ({status}). The server's log holds its"
        " reason; check the parameters of this model."
    )
