"""How long a server that is told to end waits for whom."""

from __future__ import annotations

import anyio

from aura.server.drain import GOODBYE, Drain
from tests.support.virtual import in_virtual_time


def test_who_is_cut_when_the_grace_is_over() -> None:
    """A request that is there gets some time to say how it ended; one that is still arriving has
    nothing to say, and one that is done is not waited for."""

    async def work() -> dict[str, float]:
        drain, ended = Drain(), dict[str, float]()

        async def request(name: str, seconds: float, *, arrives: bool) -> None:
            with anyio.CancelScope() as scope, drain.request(scope.cancel) as whole:
                if arrives:
                    whole()
                await anyio.sleep(seconds)
            ended[name] = round(anyio.current_time() - begun, 3)

        begun = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: request("done", 3, arrives=True))
            tasks.start_soon(lambda: request("half", 100, arrives=False))
            tasks.start_soon(lambda: request("there", 100, arrives=True))
            await anyio.wait_all_tasks_blocked()
            await drain.close(10)
            ended["closed"] = round(anyio.current_time() - begun, 3)
        assert drain.in_flight == 0
        return ended

    assert in_virtual_time(work) == {
        "done": 3,
        "half": 10,
        "there": 10 + GOODBYE,
        "closed": 10 + GOODBYE,
    }
