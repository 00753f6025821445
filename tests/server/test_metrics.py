"""What is counted, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import AsyncTestClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from syrupy.assertion import SnapshotAssertion

from aura.events import (
    AnyEvent,
    CompletionDelayed,
    McpStatus,
    RunFailed,
    ScratchpadUsage,
    ServerStatus,
    TextDelta,
    ToolCalled,
    ToolCompleted,
    ToolStarted,
    Usage,
)
from aura.server.metrics import MOST_TOOLS, OTHER, Metrics
from aura.server.metrics.gaps import GAPS
from tests.server.test_routes import CHAT, application, client, question

SERVERS = tuple(
    ServerStatus(server_name=name, transport="stdio", status=status, tools_count=0)  # type: ignore[arg-type]
    for name, status in (("up", "connected"), ("down", "failed"))
)


def text(piece: str = "x") -> TextDelta:
    return TextDelta(agent_id="main", text=piece)


def tool(name: str, *, started: bool = True, success: bool = True) -> Iterator[AnyEvent]:
    call = {"agent_id": "main", "tool_id": name, "tool_name": name}
    if started:
        yield ToolStarted(**call)
    yield ToolCompleted(**call, duration_ms=1500, success=success)


def samples(metrics: Metrics) -> dict[str, float]:
    """Every value by its name and labels, as text."""
    body, media_type = metrics.exposition("")
    assert media_type.startswith("text/plain")
    return {
        f"{sample.name}{''.join(f' {name}={value}' for name, value in sample.labels.items())}": (
            sample.value
        )
        for family in plain(body.decode())
        for sample in family.samples
    }


def test_a_run_is_counted() -> None:
    metrics, clock = Metrics(), count()
    run = metrics.run("desk", lambda: float(next(clock)))
    begun = samples(metrics)
    events = (
        McpStatus(servers=SERVERS),
        CompletionDelayed(agent_id="main", index=0, reason="busy", attempt=1),
        text(),
        text(),
        ToolCalled(agent_id="main", tool_id="look", tool_name="look", arguments="{}"),
        *tool("look"),
        *tool("broken", success=False),
        *tool("made up", started=False, success=False),
        text(),
        ScratchpadUsage(agent_id="main", tokens_intercepted=900, tokens_extracted=30),
        Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15, cached_tokens=4),
        RunFailed(code="request_timeout", message="Too long.", status=504, retryable=True),
    )
    for event in events:
        run.count(event)
    run.ended("failed")
    found = samples(metrics)
    assert begun["aura_runs_in_progress agent=desk"] == 1
    expected = {
        "aura_runs_in_progress agent=desk": 0,
        "aura_runs_started_total agent=desk": 1,
        "aura_runs_ended_total agent=desk status=failed": 1,
        "aura_run_errors_total agent=desk code=request_timeout": 1,
        "aura_first_token_seconds_count agent=desk": 1,
        "aura_first_token_seconds_sum agent=desk": 1,
        "aura_text_gap_seconds_count agent=desk": 1,  # what a tool takes is no gap
        "aura_text_gap_seconds_sum agent=desk": 1,
        "aura_tool_calls_total agent=desk outcome=success tool=look": 1,
        "aura_tool_calls_total agent=desk outcome=failure tool=broken": 1,
        f"aura_tool_calls_total agent=desk outcome=failure tool={OTHER}": 1,
        "aura_tool_seconds_sum tool=look": 1.5,
        "aura_tokens_total agent=desk kind=prompt": 10,
        "aura_tokens_total agent=desk kind=completion": 5,
        "aura_tokens_total agent=desk kind=cached": 4,
        "aura_completions_delayed_total agent=desk reason=busy": 1,
        "aura_scratchpad_tokens_total agent=desk what=intercepted": 900,
        "aura_scratchpad_tokens_total agent=desk what=extracted": 30,
        "aura_mcp_server_up agent=desk server=up": 1,
        "aura_mcp_server_up agent=desk server=down": 0,
    }
    assert {name: found[name] for name in expected} == expected
    assert not [name for name in found if "made up" in name]


def test_what_prometheus_reads(snapshot: SnapshotAssertion) -> None:
    metrics, clock = Metrics(), count()
    run = metrics.run("desk", lambda: float(next(clock)))
    usage = Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15)
    for event in (McpStatus(servers=SERVERS), text(), text(), *tool("look"), usage):
        run.count(event)
    run.ended("completed")
    body, _ = metrics.exposition("")
    lines = [line for line in body.decode().splitlines() if "aura_" in line]
    assert "\n".join(line for line in lines if "_created" not in line) == snapshot


@given(gaps=st.lists(st.floats(0, 100), max_size=30))
def test_gaps_are_counted_as_the_library_would(gaps: list[float]) -> None:
    metrics, now = Metrics(), 0.0
    run = metrics.run("desk", lambda: now)
    run.count(text())
    lengths = []
    for gap in gaps:
        before, now = now, now + gap
        lengths.append(now - before)
        run.count(text())
    found = samples(metrics)
    for bound in GAPS:
        inside = sum(length <= bound for length in lengths)
        assert found[f"aura_text_gap_seconds_bucket agent=desk le={bound}"] == inside
    assert found["aura_text_gap_seconds_bucket agent=desk le=+Inf"] == len(gaps)
    assert found["aura_text_gap_seconds_sum agent=desk"] == pytest.approx(sum(lengths))


def test_names_of_tools_are_bounded() -> None:
    metrics = Metrics()
    run = metrics.run("desk", lambda: 0.0)
    for number in range(MOST_TOOLS + 50):
        for event in tool(f"tool_{number}"):
            run.count(event)
    found = samples(metrics)
    names = [name for name in found if name.startswith("aura_tool_calls_total")]
    assert len(names) == MOST_TOOLS + 1
    assert found[f"aura_tool_calls_total agent=desk outcome=success tool={OTHER}"] == 50


counted_events = st.one_of(
    st.just(text()),
    st.builds(
        Usage,
        prompt_tokens=st.integers(-5, 50),
        completion_tokens=st.integers(-5, 50),
        total_tokens=st.just(0),
    ),
    st.builds(
        ToolStarted,
        agent_id=st.just("main"),
        tool_id=st.sampled_from("12"),
        tool_name=st.sampled_from(("look", "ask")),
    ),
    st.builds(
        ToolCompleted,
        agent_id=st.just("main"),
        tool_id=st.sampled_from("123"),
        tool_name=st.just("made up"),
        duration_ms=st.integers(0, 5000),
        success=st.booleans(),
    ),
    st.builds(
        CompletionDelayed,
        agent_id=st.just("main"),
        index=st.just(0),
        reason=st.sampled_from(("busy", "rate_limited", "retry")),
        attempt=st.just(1),
    ),
)


def counters(metrics: Metrics) -> dict[str, float]:
    """Everything of ours that must not go down."""
    kinds = ("_total", "_bucket", "_count", "_sum")
    return {
        name: value
        for name, value in samples(metrics).items()
        if name.startswith("aura_") and name.partition(" ")[0].endswith(kinds)
    }


def total(found: dict[str, float], name: str) -> float:
    return sum(value for key, value in found.items() if key.startswith(f"{name} "))


@given(first=st.lists(counted_events, max_size=15), then=st.lists(counted_events, max_size=15))
def test_counters_never_go_down_and_agree_with_the_events(
    first: list[AnyEvent], then: list[AnyEvent]
) -> None:
    metrics, clock = Metrics(), count()
    run = metrics.run("desk", lambda: float(next(clock)))
    for event in first:
        run.count(event)
    before = counters(metrics)
    for event in then:
        run.count(event)
    after = counters(metrics)
    assert not [name for name, value in before.items() if after[name] < value]
    events = [*first, *then]
    bills = [event for event in events if isinstance(event, Usage)]
    calls = sum(isinstance(event, ToolCompleted) for event in events)
    delays = sum(isinstance(event, CompletionDelayed) for event in events)
    billed = sum(max(bill.prompt_tokens, 0) + max(bill.completion_tokens, 0) for bill in bills)
    assert calls == total(after, "aura_tool_calls_total")
    assert delays == total(after, "aura_completions_delayed_total")
    assert billed == total(after, "aura_tokens_total")
    assert not [name for name in after if "made up" in name]


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=new",
        "text/plain;version=0.0.x",
        "application/openmetrics-text;version=;;=,",
        "*/*",
    ],
)
def test_every_accept_header_gets_text(accept: str) -> None:
    body, media_type = Metrics().exposition(accept)
    families = openmetrics if media_type.startswith("application/openmetrics-text") else plain
    assert "aura_streams_open" in [family.name for family in families(body.decode())]


def test_what_is_watched_again_shows_the_new_value() -> None:
    metrics = Metrics()
    metrics.watch("aura_answer", "What is asked for.", lambda: 41)
    metrics.watch("aura_answer", "What is asked for.", lambda: 42)
    assert samples(metrics)["aura_answer"] == 42


def test_two_applications_do_not_share_what_they_count() -> None:
    one, other = Metrics(), Metrics()
    one.run("desk", lambda: 0.0)
    other.watch("aura_answer", "What is asked for at the moment of a scrape.", lambda: 42)
    assert "aura_runs_started_total agent=desk" not in samples(other)
    assert samples(other)["aura_answer"] == 42


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_route_shows_what_the_server_did() -> None:
    async with client() as http:
        await http.post(CHAT, json=question(stream=True))
        await http.post(CHAT, json={})
        await http.get("/aura/runs/run_unknown")
        await http.request("BREW", "/coffee/for/two")
        answer = await http.get("/metrics")
        accept = {"accept": "application/openmetrics-text"}
        modern = await http.get("/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("text/plain")
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    lines = answer.text.splitlines()
    for line in (
        'aura_runs_ended_total{agent="one",status="completed"} 1.0',
        'aura_http_requests_total{method="POST",route="/v1/chat/completions",status="200"} 1.0',
        'aura_http_requests_total{method="POST",route="/v1/chat/completions",status="422"} 1.0',
        'aura_http_requests_total{method="GET",route="/aura/runs/{run_id}",status="404"} 1.0',
        'aura_http_requests_total{method="other",route="other",status="404"} 1.0',
        "aura_model_calls_waiting 0.0",
        "aura_streams_open 0.0",
        "aura_entries_unread 0.0",
        "aura_lanes_waiting 0.0",
        "aura_lanes_blocked 0.0",
        "aura_run_log_runs 1.0",
    ):
        assert line in lines


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_application_can_be_started_again() -> None:
    app = application()
    for _ in range(2):
        async with AsyncTestClient(app) as http:
            await http.post(CHAT, json=question())
            answer = await http.get("/metrics")
    lines = answer.text.splitlines()
    assert 'aura_runs_started_total{agent="one"} 2.0' in lines
    assert "aura_run_log_runs 1.0" in lines
