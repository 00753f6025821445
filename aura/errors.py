"""What can go wrong, as a tree of exceptions.

AuraError
├── ConfigError            a configuration cannot be used; lists every problem found
├── RequestError           a request cannot be answered as it was asked
├── ProviderError          a model call failed
│   ├── Rejected           the provider refused the request or our credentials
│   ├── ContextOverflow    the conversation does not fit the model's context window
│   ├── RateLimited        too many requests, or no quota left
│   ├── Unavailable        the provider failed or could not be reached
│   ├── TimedOut           the provider was silent, or took, for too long
│   └── CutOff             the stream ended before the provider said it was done
├── PlanRejected           a plan for a team cannot be carried out
└── ScriptError            a scripted model has no reply to what it was asked
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class AuraError(Exception):
    """Anything that Aura raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a configuration: where it is, what it is and what to do about it.

    `path` is the dotted path of the key, empty when the file as a whole is meant; `line` counts
    from 1 and is 0 when it is not known. `kind` is the class of the problem: `io`, `parse`,
    `env` or `validation`.
    """

    file: str
    line: int
    path: str
    message: str
    kind: str = "validation"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(AuraError):
    """Raised when a configuration cannot be used; whoever starts the program shows it and stops."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class RequestError(AuraError):
    """Raised for a request that cannot be answered as it was asked; the server sends it back.

    `status` is the HTTP status, `type`, `code` and `param` are the fields of an OpenAI error body.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - the wire's own word
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.retry_after = retry_after


class ProviderError(AuraError):
    """Raised by a model adapter when a call failed; the run turns it into its last event.

    The message is safe to show: it never holds a key, a URL with credentials or a raw body.
    `detail` is what the provider said and goes to the log only. `upstream_status` is the
    provider's HTTP status, when there was one; `retry_after` is in seconds.
    """

    code: ClassVar[str] = "provider_error"
    status: ClassVar[int] = 502
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        detail: str = "",
        upstream_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.detail = detail
        self.upstream_status = upstream_status
        self.retry_after = retry_after


class Rejected(ProviderError):
    """The provider refused the request or our credentials; asking again would not help."""

    code = "provider_rejected"


class ContextOverflow(ProviderError):
    """The conversation does not fit the model's context window."""

    code = "context_length_exceeded"
    status = 400


class RateLimited(ProviderError):
    """Too many requests, or no quota left."""

    code = "rate_limited"
    status = 429
    retryable = True


class Unavailable(ProviderError):
    """The provider failed or could not be reached, or did so often enough to be left alone."""

    code = "provider_unavailable"
    retryable = True


class TimedOut(ProviderError):
    """The provider was silent for too long, or was not done in time; the deadline is spent, so it
    is not asked again."""

    code = "provider_timeout"
    status = 504


class CutOff(ProviderError):
    """The stream ended before the provider said it was done."""

    code = "provider_stream_cut"
    retryable = True


class PlanRejected(AuraError):
    """Raised for a plan that cannot be carried out; the message has every reason on a line."""


class ScriptError(AuraError):
    """Raised when a scripted model has no reply to what it was asked."""
