"""The part of the HTTP API that is about runs: list, look, watch, resume, cancel."""

from __future__ import annotations

import re
from typing import Literal

import msgspec
from litestar import get, post
from litestar.response.base import ASGIResponse

from aura.errors import RequestError
from aura.events import RunFailed
from aura.runs.log import Missing, Record, Status
from aura.server.backend import AnyRequest, backend_of, bearer_token
from aura.server.completion import UsageBody, usage_body
from aura.server.errors import ErrorBody, failed_body
from aura.server.modes import Mode, asked_for
from aura.server.runs import owner_of
from aura.server.stream import Replay

MOST_LISTED = 100
USUALLY_LISTED = 20

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_POSITION = re.compile(r"(?:(?P<run>[A-Za-z0-9_-]{1,64}):)?(?P<seq>\d{1,15})")

_view = msgspec.json.Decoder(Mode).decode


class RunInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run as its caller may see it.

    `created` is in seconds since the epoch, `seconds` how long the run took or has taken so far.
    `first_event` is the number of the oldest frame that can still be read, `last_event` that of
    the newest, -1 before the first. `error` is the inner object of an OpenAI error.
    """

    id: str
    object: Literal["aura.run"]
    status: Status
    agent: str
    model: str
    session_id: str
    request_id: str
    completion_id: str
    stream: bool
    created: int
    seconds: float
    first_event: int
    last_event: int
    finish_reason: str | None = None
    usage: UsageBody | None = None
    error: ErrorBody | None = None


class RunList(msgspec.Struct, frozen=True):
    """Runs, the newest first; with `has_more`, ask for those `before` the last of these."""

    object: Literal["list"]
    data: tuple[RunInfo, ...]
    has_more: bool


@get("/aura/runs")
async def list_runs(request: AnyRequest) -> RunList:
    """List the runs of the caller's token."""
    limit = _limit(request.query_params.get("limit"))
    found = await backend_of(request).runs.log.list(
        owner_of(bearer_token(request.headers)),
        limit=limit + 1,
        before=request.query_params.get("before"),
        session=request.query_params.get("session_id"),
    )
    return RunList("list", tuple(run_info(record) for record in found[:limit]), len(found) > limit)


@get("/aura/runs/{run_id:str}")
async def show_run(request: AnyRequest) -> RunInfo:
    """Say how a run stands."""
    return run_info(await own_run(request, request.path_params["run_id"]))


@get("/aura/runs/{run_id:str}/events")
async def run_events(request: AnyRequest) -> ASGIResponse:
    """Stream a run from behind the frame that the caller had last, live or finished."""
    run_id = request.path_params["run_id"]
    position = request.query_params.get("after") or request.headers.get("last-event-id")
    return await replayed(request, run_id, position)


@post("/aura/runs/{run_id:str}/cancel", status_code=200)
async def cancel_run(request: AnyRequest) -> RunInfo:
    """End a run; one that is over stays as it is."""
    run_id = request.path_params["run_id"]
    await own_run(request, run_id)
    live = backend_of(request).runs.live(run_id)
    if live is not None:
        await live.cancel(
            RunFailed(
                code="run_cancelled",
                message="The run was cancelled at the request of its caller.",
                status=499,
                retryable=False,
            )
        )
    return run_info(await own_run(request, run_id))


async def resumed_answer(request: AnyRequest, position: str) -> ASGIResponse:
    """The rest of the answer to a request that is sent again with `Last-Event-ID`."""
    run_id = position.rpartition(":")[0]
    if not run_id:
        message = f"The header Last-Event-ID is {position[:100]!r}, but must be the id of a frame."
        raise RequestError(message, param="last-event-id")
    return await replayed(request, run_id, position)


async def replayed(request: AnyRequest, run_id: str, position: str | None) -> ASGIResponse:
    """What follows this position of a run; 204 when nothing ever will."""
    backend = backend_of(request)
    record = await own_run(request, run_id)
    after = _after(run_id, position)
    if after >= record.next:
        message = f"The run has no frame {after} yet; its last one is {record.next - 1}."
        raise RequestError(message, param="after", code="position_unknown")
    if record.over and after == record.next - 1:
        return ASGIResponse(status_code=204)
    return Replay(
        record.head,
        asked_for(_view(record.head.view), request.headers),
        backend.runs,
        after=after,
        longest_write=backend.settings.write_timeout_secs,
    )


async def own_run(request: AnyRequest, run_id: str) -> Record:
    """The run, if the caller's token started it. Raises `Missing` as if it did not exist when it
    did not."""
    if not _RUN_ID.fullmatch(run_id):
        raise Missing(run_id)
    record = await backend_of(request).runs.log.find(run_id)
    if record.head.owner != owner_of(bearer_token(request.headers)):
        raise Missing(run_id)
    return record


def run_info(record: Record) -> RunInfo:
    """The run as its caller may see it."""
    head = record.head
    return RunInfo(
        id=head.run_id,
        object="aura.run",
        status=record.status,
        agent=head.agent,
        model=head.model,
        session_id=head.session_id,
        request_id=head.request_id,
        completion_id=head.completion_id,
        stream=head.stream,
        created=head.created,
        seconds=round(record.seconds, 3),
        first_event=record.begins,
        last_event=record.next - 1,
        finish_reason=record.reason,
        usage=None if record.usage is None else usage_body(record.usage),
        error=None if record.failed is None else failed_body(record.failed),
    )


def _limit(text: str | None) -> int:
    if text is None:
        return USUALLY_LISTED
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_LISTED):
        message = f"limit is {text[:100]!r}, but must be a number from 1 to {MOST_LISTED}."
        raise RequestError(message, param="limit")
    return int(text)


def _after(run_id: str, position: str | None) -> int:
    """The number of the last frame that the caller has, -1 for none."""
    if position is None:
        return -1
    given = _POSITION.fullmatch(position)
    if given is None or given["run"] not in (None, run_id):
        message = (
            f"The position {position[:100]!r} is not the id or the number of a frame of this run."
        )
        raise RequestError(message, param="after")
    return int(given["seq"])
