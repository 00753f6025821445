"""Who shares a connection with whom, and how long connections live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Never

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.mcp.link import Link
from aura.adapters.mcp.pool import MOST_UNUSED, Pool
from aura.adapters.mcp.servers import HttpServer, Server, StdioServer, resolved
from aura.adapters.mcp.toolbox import Choice, Toolset
from tests.support.mcp.links import Notes, listed
from tests.support.virtual import in_virtual_time

IDLE = 300.0


@dataclass
class Owner:
    """Connects at once, and knows which connections it has."""

    refused: set[str] = field(default_factory=set)
    alive: list[Link] = field(default_factory=list)
    begun: int = 0

    async def keep(self, link: Link) -> Never:
        self.begun += 1
        self.alive.append(link)
        assert isinstance(link.server, HttpServer | StdioServer)
        if isinstance(link.server, HttpServer) and self.refused & {
            v for _, v in link.server.headers
        }:
            link.failed("Connection failed: no")
        else:
            link.connected((listed("tool"),))
        try:
            while True:
                await anyio.sleep_forever()
        finally:
            self.alive.remove(link)


@asynccontextmanager
async def pooled(owner: Owner) -> AsyncIterator[Pool]:
    async with anyio.create_task_group() as tasks:
        yield Pool(tasks, keep=owner.keep)
        tasks.cancel_scope.cancel()


def server(*, mapped: Mapping[str, str] | None = None, **headers: str) -> HttpServer:
    return HttpServer(
        name="s",
        url="http://h/mcp",
        headers=tuple(headers.items()),
        from_request=tuple((mapped or {}).items()),
        idle_timeout=IDLE,
    )


MAPPED = server(mapped={"Authorization": "X-User"})


def toolset(pool: Pool, *servers: Server) -> Toolset:
    return Toolset(servers, Choice(), pool=pool, log=Notes())


@pytest.mark.parametrize(
    ("fixed", "mapped", "request_headers", "sent"),
    [
        pytest.param(
            {"Authorization": "static"},
            {"authorization": "x-user"},
            {"x-user": "dyn"},
            {"authorization": "dyn"},
            id="K24",
        ),
        pytest.param(
            {"Authorization": "static"},
            {"authorization": "X-User"},
            {},
            {"authorization": "static"},
            id="K25",
        ),
        pytest.param({}, {"authorization": "x-user"}, {"x-other": "no"}, {}, id="K26"),
        pytest.param(
            {}, {"A": "X-User"}, {"x-user": "Token  a b"}, {"a": "Token  a b"}, id="as-it-is"
        ),
        pytest.param({"A": "static"}, {"A": "X-User"}, {"x-user": ""}, {"a": ""}, id="empty"),
        pytest.param(
            {"X-Team": "sre"},
            {"A": "X-User"},
            {"x-user": "u"},
            {"a": "u", "x-team": "sre"},
            id="both",
        ),
    ],
)
def test_which_headers_a_server_gets(
    fixed: dict[str, str],
    mapped: dict[str, str],
    request_headers: dict[str, str],
    sent: dict[str, str],
) -> None:
    reached = resolved(server(mapped=mapped, **fixed), request_headers)
    assert dict(reached.headers) == sent
    assert reached.shared


def test_what_every_caller_gets_alike_is_one_connection_from_the_start() -> None:
    async def work() -> None:
        owner = Owner()
        async with pooled(owner) as pool:
            first, second = toolset(pool, server(a="x")), toolset(pool, server(a="x"))
            await anyio.wait_all_tasks_blocked()
            assert owner.begun == 1
            with first.open({}) as one, first.open({"x-user": "u"}) as two, second.open({}):
                assert one is two
            await anyio.sleep(10 * IDLE)
            assert len(owner.alive) == owner.begun == 1
        assert owner.alive == []

    in_virtual_time(work)


def test_callers_share_a_connection_only_if_they_send_the_same() -> None:
    async def work() -> None:
        owner = Owner()
        async with pooled(owner) as pool:
            tools = toolset(pool, MAPPED)
            await anyio.wait_all_tasks_blocked()
            assert owner.begun == 0
            with ExitStack() as stack:
                for user in ("ann", "bob", "ann"):
                    box = stack.enter_context(tools.open({"x-user": user}))
                    await box.ready()
                with tools.open({}) as anonymous:
                    await anonymous.ready()
            sent = [dict(link.server.headers) for link in owner.alive]
            assert sent == [{"authorization": "ann"}, {"authorization": "bob"}, {}]

    in_virtual_time(work)


def test_a_connection_of_a_caller_ends_after_it_was_idle_and_not_before() -> None:
    async def work() -> None:
        owner = Owner()
        async with pooled(owner) as pool:
            tools = toolset(pool, MAPPED)
            for _ in range(3):
                with tools.open({"x-user": "ann"}) as box:
                    await box.ready()
                    await anyio.sleep(2 * IDLE)
                await anyio.sleep(IDLE - 1)
                assert len(owner.alive) == owner.begun == 1
            await anyio.sleep(2)
            assert owner.alive == []
            with tools.open({"x-user": "ann"}) as box:
                await box.ready()
                assert (len(owner.alive), owner.begun) == (1, 2)

    in_virtual_time(work)


def test_what_a_caller_sent_is_not_tried_again_when_the_caller_is_gone() -> None:
    async def work() -> None:
        owner = Owner(refused={"eve"})
        async with pooled(owner) as pool:
            with toolset(pool, MAPPED).open({"x-user": "eve"}) as box:
                await box.ready()
                [status] = box.statuses()
                assert status.status == "failed"
                await anyio.sleep(2 * IDLE)
                assert len(owner.alive) == 1
            await anyio.wait_all_tasks_blocked()
            assert owner.alive == []

    in_virtual_time(work)


def test_the_connection_that_is_unused_for_longest_gives_way_to_a_new_one() -> None:
    async def work() -> None:
        owner = Owner()
        async with pooled(owner) as pool:
            tools = toolset(pool, MAPPED)
            for user in range(MOST_UNUSED + 3):
                with tools.open({"x-user": str(user)}) as box:
                    await box.ready()
                await anyio.sleep(0.1)
            await anyio.wait_all_tasks_blocked()
            assert len(owner.alive) == MOST_UNUSED
            kept = {dict(link.server.headers)["authorization"] for link in owner.alive}
            assert {"0", "1", "2"} & kept == set()

    in_virtual_time(work)


def test_a_fixed_value_makes_a_connection_for_everybody_who_sends_none() -> None:
    async def work() -> None:
        owner = Owner()
        async with pooled(owner) as pool:
            tools = toolset(pool, server(mapped={"authorization": "x-user"}, Authorization="bot"))
            await anyio.wait_all_tasks_blocked()
            assert owner.begun == 1
            with tools.open({}) as box:
                await box.ready()
            with tools.open({"x-user": "bot"}) as box:
                await box.ready()
            assert owner.begun == 1

    in_virtual_time(work)


def test_a_server_per_request_lives_as_long_as_the_request() -> None:
    async def work() -> None:
        owner = Owner()
        async with pooled(owner) as pool:
            tools = toolset(pool, StdioServer(name="s", cmd=("x",), per_request=True))
            await anyio.wait_all_tasks_blocked()
            assert owner.begun == 0
            with tools.open({}) as one, tools.open({}) as two:
                await one.ready()
                await two.ready()
                assert len(owner.alive) == 2
            await anyio.wait_all_tasks_blocked()
            assert owner.alive == []

    in_virtual_time(work)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0, 2 * IDLE), st.floats(0, 2 * IDLE)),
        max_size=12,
    )
)
def test_whoever_comes_and_goes_gets_the_own_connection_and_nothing_is_left(
    visits: list[tuple[str, float, float]],
) -> None:
    async def work() -> None:
        owner = Owner()
        async with pooled(owner) as pool:
            tools = toolset(pool, MAPPED)

            async def visit(user: str, after: float, stay: float) -> None:
                await anyio.sleep(after)
                with tools.open({"x-user": user}) as box:
                    await box.ready()
                    await anyio.sleep(stay)
                    [offer] = box.offers()
                    assert offer.server_name == "s"
                    [link] = [
                        link
                        for link in owner.alive
                        if ("authorization", user) in link.server.headers
                    ]
                    assert link.status.status == "connected"

            async with anyio.create_task_group() as tasks:
                for each in visits:
                    tasks.start_soon(visit, *each)
            await anyio.sleep(IDLE + 1)
            assert owner.alive == []

    in_virtual_time(work)
