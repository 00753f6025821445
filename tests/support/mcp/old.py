"""An MCP server over stdio that knows only the handshake, and says nothing to anything else."""

from __future__ import annotations

import json
import sys

ANSWERS: dict[str, dict[str, object]] = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "old", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "old", "inputSchema": {"type": "object"}}]},
}

for line in sys.stdin:
    request = json.loads(line)
    if (result := ANSWERS.get(request["method"])) is not None:
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": result}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
