"""How runs end: why, and what is told of a failure."""

from __future__ import annotations

from aura.errors import ProviderError, ScriptError
from aura.events import FinishReason, RunFailed
from aura.pipeline.run import Run


def final(reason: FinishReason | None) -> FinishReason:
    """Why the run ended, from why its last completion did, if no tool of the client is due.

    A last completion that asked for tools was not offered any: the answer is over all the same.
    """
    return "stop" if reason in (None, "tool_calls") else reason


def failure(error: Exception, run: Run) -> RunFailed:
    """What a client is told about an error; the log is told everything."""
    match error:
        case ProviderError():
            run.log.warning(
                "model call failed",
                error=str(error),
                detail=error.detail,
                upstream_status=error.upstream_status,
            )
            return RunFailed(
                code=error.code,
                message=str(error),
                status=error.status,
                retryable=error.retryable,
                retry_after=error.retry_after,
            )
        case ScriptError():
            run.log.warning("script has no reply", error=str(error))
            return RunFailed(
                code="script_exhausted", message=str(error), status=500, retryable=False
            )
        case _:
            run.log.error("run failed", exc_info=error)
            return RunFailed(
                code="internal_error",
                message=f"The server failed while answering; its log has it as {run.request_id}.",
                status=500,
                retryable=False,
            )
