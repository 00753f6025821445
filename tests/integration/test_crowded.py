"""More requests than a server is allowed to answer: the next is refused, and no slot is lost."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

import anyio
import httpx2
import msgspec
import pytest

from tests.support.eventually import eventually
from tests.support.flowing import Flowing, flowing
from tests.support.processes import Processes, Running

pytestmark = pytest.mark.anyio

LIMIT, LIMIT_EACH = "--max-concurrent-requests", "--max-concurrent-requests-per-token"
MOST = 6
MOST_EACH = 4
ROUNDS = 8

AGENT = """
[agent]
name = "held"
system_prompt = "Wait."

[agent.llm]
provider = "openai"
base_url = "{url}/hold/v1"
api_key = "unused"
model = "patient"
"""
CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Wait."}]


def serving(processes: Processes, provider: Flowing, *options: str) -> Running:
    return processes.serve({"agents/held.toml": AGENT.format(url=provider.url)}, *options)


class Crowd:
    """Clients with one token, and the streams of theirs that wait at the provider."""

    def __init__(self, server: Running, token: str) -> None:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self.http = httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30)
        self.streams: list[httpx2.Response] = []

    async def admitted(self) -> bool:
        """Ask for a stream. Gives whether there was a slot for it, which it then holds."""
        body = msgspec.json.encode({"stream": True, "messages": MESSAGES})
        request = self.http.build_request("POST", CHAT, content=body)
        answer = await self.http.send(request, stream=True)
        if answer.status_code == 200:
            self.streams.append(answer)
            return True
        await answer.aclose()
        assert answer.status_code == 429
        return False

    async def come(self, number: int) -> None:
        """Take so many slots, each as soon as it is there."""
        for _ in range(number):
            await eventually(self.admitted)

    async def answered(self) -> bool:
        """Ask for an answer in one piece. Gives whether there was a slot for it."""
        body = msgspec.json.encode({"messages": MESSAGES})
        answer = await self.http.post(CHAT, content=body)
        assert answer.status_code in {200, 429}
        return answer.status_code == 200

    async def refused(self, option: str) -> bool:
        """Ask although there is no slot. Gives whether this is the option that forbids it; slots
        that are about to come back may have to do with it at first."""
        body = msgspec.json.encode({"messages": MESSAGES})
        answer = await self.http.post(CHAT, content=body)
        error = answer.json()["error"]
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
        assert (error["type"], error["code"]) == ("rate_limit_error", "too_many_requests")
        return f"({option})" in error["message"]

    async def leave(self, number: int) -> None:
        """Let so many streams alone, in the middle of them."""
        for _ in range(number):
            await self.streams.pop().aclose()

    async def hear(self) -> list[bytes]:
        """The rest of every stream."""
        heard = [await stream.aread() for stream in self.streams]
        self.streams.clear()
        return heard


async def test_streams_that_end_and_clients_that_leave_give_their_slots_back(
    processes: Processes,
) -> None:
    async with flowing() as provider:
        server = serving(processes, provider, LIMIT, str(MOST))
        crowd = Crowd(server, "any")
        async with crowd.http:
            for leaving in range(MOST + 1):
                staying = MOST - leaving
                await crowd.come(MOST)
                await eventually(partial(provider.holds, MOST))
                assert await crowd.refused(LIMIT)
                assert not await crowd.admitted()
                assert (await crowd.http.get("/v1/models")).status_code == 200
                await crowd.leave(leaving)
                await eventually(partial(provider.holds, staying))
                provider.release()
                heard = await crowd.hear()
                assert [data.endswith(b"data: [DONE]\n\n") for data in heard] == [True] * staying
            await crowd.come(MOST)
            await crowd.leave(MOST)
    assert '"level": "error"' not in server.output()


async def test_answers_in_one_piece_take_slots_and_give_them_back(processes: Processes) -> None:
    async with flowing() as provider:
        server = serving(processes, provider, LIMIT, str(MOST))
        crowd = Crowd(server, "any")
        async with crowd.http:
            for _ in range(ROUNDS):
                async with anyio.create_task_group() as staying:
                    async with anyio.create_task_group() as leaving:
                        for number in range(MOST):
                            group = staying if number % 2 else leaving
                            group.start_soon(eventually, crowd.answered)
                        await eventually(partial(provider.holds, MOST))
                        assert await crowd.refused(LIMIT)
                        leaving.cancel_scope.cancel()
                    await eventually(partial(provider.holds, MOST // 2))
                    provider.release()
                assert provider.held == 0
    assert '"level": "error"' not in server.output()


async def test_a_token_has_slots_of_its_own(processes: Processes) -> None:
    limits = (LIMIT, str(MOST), LIMIT_EACH, str(MOST_EACH))
    async with flowing() as provider, AsyncExitStack() as clients:
        server = serving(processes, provider, "--auth-token", "mine,yours", *limits)
        mine, yours = Crowd(server, "mine"), Crowd(server, "yours")
        for crowd in (mine, yours):
            await clients.enter_async_context(crowd.http)
        for _ in range(ROUNDS):
            await mine.come(MOST_EACH)
            await eventually(partial(mine.refused, LIMIT_EACH))
            await yours.come(MOST - MOST_EACH)
            assert await yours.refused(LIMIT)
            await mine.leave(MOST_EACH)
            await yours.come(MOST_EACH - len(yours.streams))
            await eventually(partial(yours.refused, LIMIT_EACH))
            await eventually(partial(provider.holds, MOST_EACH))
            provider.release()
            assert len(await yours.hear()) == MOST_EACH
            mine, yours = yours, mine
    assert '"level": "error"' not in server.output()
