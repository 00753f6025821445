"""MCP's reference servers, driven by an agent: every tool once, and what it gave."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from aura.events import ServerStatus
from tests.support.processes import Processes, environment, everything_over_stdio
from tests.support.reference_servers import (
    PERSON,
    Repository,
    driven,
    everything_over_sse,
    logo,
    program,
)

pytestmark = pytest.mark.anyio

# server-everything

Transport: TypeAlias = Literal["http_streamable", "sse", "stdio"]

EVERYTHING = """
[[reply]]
calls = [
    { name = "echo", arguments = { message = "Grüße, “you” 🙂" } },
    { name = "get-annotated-message", arguments = { messageType = "error", includeImage = true } },
    { name = "get-env" },
    { name = "get-resource-links", arguments = { count = 2 } },
    { name = "get-resource-reference", arguments = { resourceType = "Blob", resourceId = 7 } },
    { name = "get-structured-content", arguments = { location = "Chicago" } },
    { name = "get-sum", arguments = { a = 17, b = 0.5 } },
    { name = "get-tiny-image" },
    { name = "gzip-file-as-resource", arguments = { name = "a.gz", data = "data:,a" } },
    { name = "simulate-research-query", arguments = { topic = "stars" } },
    { name = "toggle-simulated-logging" },
    { name = "toggle-subscriber-updates" },
    { name = "trigger-long-running-operation", arguments = { duration = 0.2, steps = 4 } },
]

[[reply]]
text = "That was everything."
"""

SAME_EVERYWHERE = {
    "echo": "Echo: Grüße, “you” 🙂",
    "get-annotated-message": "Error: Operation failed\n[Image: image/png (5380)]",
    "get-resource-links": """\
Here are 2 resource links to resources available in this server:
[Resource link: Blob Resource 1 (demo://resource/dynamic/blob/1)]
[Resource link: Text Resource 2 (demo://resource/dynamic/text/2)]""",
    "get-structured-content": """\
{
  "temperature": 36,
  "conditions": "Light rain / drizzle",
  "humidity": 82
}""",
    "get-sum": "The sum of 17 and 0.5 is 17.5.",
    "get-tiny-image": """\
Here's the image you requested:
[Image: image/png (5380)]
The image above is the MCP logo.""",
    "gzip-file-as-resource": "[Resource link: a.gz (demo://resource/session/a.gz)]",
    "trigger-long-running-operation": (
        "Long running operation completed. Duration: 0.2 seconds, Steps: 4."
    ),
}
"""What does not depend on the transport, the session or the time of day."""

RESOURCE = r"""Returning resource reference for Resource 7:
Resource 7: This is a base64 blob created at \d+:\d\d:\d\d\s[AP]M
You can access this resource using the URI: demo://resource/dynamic/blob/7"""

STARTED = {
    "toggle-simulated-logging": (
        r"Started simulated, random-leveled logging for session {session} at a 5 second pace\..*"
    ),
    "toggle-subscriber-updates": (
        r"Started simulated resource updated notifications for session {session} at a 5 second .*"
    ),
}

REFUSED = {
    "simulate-research-query": (
        "Tool returned an error: MCP error -32601: Tool simulate-research-query requires task"
        " augmentation (taskSupport: 'required')"
    )
}
"""Tasks are nothing that our client offers. What asks for sampling, elicitation or roots is not
even listed, because it does not offer those either."""

TOOLS = sorted({"get-env", "get-resource-reference", *SAME_EVERYWHERE, *STARTED, *REFUSED})

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


async def check_everything(
    folder: Path, transport: Transport, table: str, env: dict[str, str], session: str
) -> None:
    """Every tool gives what its documentation says, in an environment of exactly `env`."""
    saw = await driven(folder, f'transport = "{transport}"\n{table}', EVERYTHING)

    assert saw.status == ServerStatus(
        server_name="reference", transport=transport, status="connected", tools_count=len(TOOLS)
    )
    assert list(saw.offered) == saw.called == TOOLS
    given = saw.results
    assert json.loads(given.pop("get-env")) == env
    assert re.fullmatch(RESOURCE, given.pop("get-resource-reference"))
    for tool, pattern in STARTED.items():
        assert re.fullmatch(pattern.format(session=session), given.pop(tool))
    assert given == SAME_EVERYWHERE
    assert saw.images == dict.fromkeys(("get-annotated-message", "get-tiny-image"), (logo(),))
    assert saw.errors == REFUSED
    assert saw.progress == [("1/4", 25), ("2/4", 50), ("3/4", 75), ("4/4", 100)]
    assert saw.answer == "That was everything."


async def test_server_everything_over_stdio(
    tmp_path: Path, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a secret of ours, which the child must not see")
    inherited = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")
    env = {name: os.environ[name] for name in inherited if name in os.environ}
    table = f'cmd = {json.dumps(everything_over_stdio(node))}\nenv = {{ GIVEN = "on purpose" }}'

    await check_everything(
        tmp_path, "stdio", table, env | {"GIVEN": "on purpose"}, session="undefined"
    )


async def test_server_everything_over_streamable_http(
    tmp_path: Path, processes: Processes, node: str
) -> None:
    url = processes.everything(node).url
    env = environment() | {"PORT": url.rpartition(":")[2]}

    await check_everything(tmp_path, "http_streamable", f'url = "{url}/mcp"', env, session=UUID)


async def test_server_everything_over_sse(tmp_path: Path, processes: Processes, node: str) -> None:
    url = everything_over_sse(processes, node).url
    env = environment() | {"PORT": url.rpartition(":")[2]}

    await check_everything(tmp_path, "sse", f'url = "{url}/sse"', env, session=UUID)


# mcp-server-time

TIME = """
[[reply]]
calls = [
    { name = "get_current_time", arguments = { timezone = "Asia/Kathmandu" } },
    { name = "convert_time", arguments = { source_timezone = "Asia/Tokyo", \
time = "02:15", target_timezone = "Asia/Kolkata" } },
]

[[reply]]
text = "Late."
"""

KATHMANDU = timezone(timedelta(hours=5, minutes=45))
KOLKATA = timezone(timedelta(hours=5, minutes=30))
TOKYO = timezone(timedelta(hours=9))


def moment(zone: str, at: datetime) -> dict[str, object]:
    """A moment as the server writes it, in a zone without daylight saving time."""
    return {
        "timezone": zone,
        "datetime": at.isoformat(timespec="seconds"),
        "day_of_week": at.strftime("%A"),
        "is_dst": False,
    }


async def test_mcp_server_time(tmp_path: Path) -> None:
    begun = datetime.now(TOKYO)
    table = f'transport = "stdio"\ncmd = ["{program("mcp-server-time")}"]'
    saw = await driven(tmp_path, table, TIME)
    ended = datetime.now(TOKYO)

    assert saw.status.status == "connected"
    assert list(saw.offered) == saw.called == ["convert_time", "get_current_time"]
    assert saw.errors == {}
    now = json.loads(saw.results["get_current_time"])
    at = datetime.fromisoformat(now["datetime"])
    assert begun.replace(microsecond=0) <= at <= ended
    assert now == moment("Asia/Kathmandu", at.astimezone(KATHMANDU))
    asked = [day.replace(hour=2, minute=15, second=0) for day in (begun, ended)]
    assert json.loads(saw.results["convert_time"]) in [
        {
            "source": moment("Asia/Tokyo", at),
            "target": moment("Asia/Kolkata", at.astimezone(KOLKATA)),
            "time_difference": "-3.5h",
        }
        for at in asked
    ]
    assert saw.answer == "Late."


# mcp-server-git

GIT = """
[[reply]]
calls = [
    { name = "git_status", arguments = { repo_path = "${message}" } },
    { name = "git_diff_staged", arguments = { repo_path = "${message}" } },
    { name = "git_reset", arguments = { repo_path = "${message}" } },
    { name = "git_diff_unstaged", arguments = { repo_path = "${message}" } },
    { name = "git_create_branch", arguments = { repo_path = "${message}", branch_name = "more" } },
    { name = "git_checkout", arguments = { repo_path = "${message}", branch_name = "more" } },
    { name = "git_add", arguments = { repo_path = "${message}", files = ["notes"] } },
    { name = "git_commit", arguments = { repo_path = "${message}", message = "Say more" } },
    { name = "git_branch", arguments = { repo_path = "${message}", branch_type = "local" } },
    { name = "git_diff", arguments = { repo_path = "${message}", target = "main" } },
    { name = "git_log", arguments = { repo_path = "${message}", max_count = 1 } },
    { name = "git_show", arguments = { repo_path = "${message}", revision = "HEAD" } },
]

[[reply]]
text = "Committed."
"""

CHANGE = """\
--- a/notes
+++ b/notes
@@ -1 +1,2 @@
 one
+two"""

PATCH = f"""\
diff --git a/notes b/notes
index 5626abf..814f4a4 100644
{CHANGE}"""


async def test_mcp_server_git(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    folder = str(repository.folder)
    git = repository.git
    status = git("status")
    command = json.dumps([program("mcp-server-git"), "--repository", folder])
    env = ", ".join(f'{name} = "{value}"' for name, value in PERSON.items())
    table = f'transport = "stdio"\ncmd = {command}\nenv = {{ {env} }}'

    saw = await driven(tmp_path, table, GIT, question=folder, parallel=False)

    commit = git("rev-parse", "more")
    assert saw.status.status == "connected"
    assert saw.errors == {}
    assert saw.results == {
        "git_add": "Files staged successfully",
        "git_branch": "  main\n* more",
        "git_checkout": "Switched to branch 'more'",
        "git_commit": f"Changes committed successfully with hash {commit}",
        "git_create_branch": "Created branch 'more' from 'main'",
        "git_diff": f"Diff with main:\n{PATCH}",
        "git_diff_staged": f"Staged changes:\n{PATCH}",
        "git_diff_unstaged": f"Unstaged changes:\n{PATCH}",
        "git_log": f"""\
Commit history:
Commit: {commit}
Author: Ada
Date: 2026-01-01 10:00:00+00:00
Message: Say more
""",
        "git_reset": "All staged changes reset",
        "git_show": f"""\
commit {commit}
Author: Ada <ada@example.com>
Date:   2026-01-01 10:00:00 +0000

    Say more

{CHANGE}
""",
        "git_status": f"Repository status:\n{status}",
    }
    assert list(saw.offered) == saw.called == sorted(saw.results)
    assert saw.answer == "Committed."
    assert git("log", "--format=%s", "main") == "Begin"
    assert git("log", "--format=%s", "more") == "Say more\nBegin"
    assert git("branch", "--show-current") == "more"
    assert git("status", "--short") == ""
