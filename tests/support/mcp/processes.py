"""Servers of other processes, and ports that answer something else than MCP."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aura.adapters.mcp.servers import HttpServer, Pairs, StdioServer

HERE = Path(__file__).parent
SCRIPT = str(HERE / "server.py")
OLD = str(HERE / "old.py")
PAGED = str(HERE / "paged.py")
DEMO = str(HERE.parents[2] / "examples" / "demo" / "tools.py")


def over_stdio(
    script: str = SCRIPT, *, env: Mapping[str, str] | None = None, **options: object
) -> StdioServer:
    """A server that runs as a child."""
    cmd = (sys.executable, script)
    return StdioServer(name="test", cmd=cmd, env=_pairs(env), **options)  # type: ignore[arg-type]


def over_http(
    port: int, *, headers: Mapping[str, str] | None = None, **options: object
) -> HttpServer:
    """A server behind a port of this machine."""
    url = f"http://127.0.0.1:{port}/mcp"
    return HttpServer(name="test", url=url, headers=_pairs(headers), **options)  # type: ignore[arg-type]


def over_sse(
    port: int, *, headers: Mapping[str, str] | None = None, **options: object
) -> HttpServer:
    """The same by the HTTP transport of old."""
    url, sent = f"http://127.0.0.1:{port}/sse", _pairs(headers)
    return HttpServer(name="test", url=url, transport="sse", headers=sent, **options)  # type: ignore[arg-type]


def _pairs(values: Mapping[str, str] | None) -> Pairs:
    return tuple((values or {}).items())


@contextmanager
def serving(*flags: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The test server over HTTP as a process of its own, and its port, once it accepts."""
    command = [sys.executable, SCRIPT, "--http", str(port), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def answering(status: str | None) -> Iterator[int]:
    """A port where every request gets this status, or silence."""
    held: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            if status is not None:
                connection.recv(65536)
                head = f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                connection.sendall(head.encode())
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()
