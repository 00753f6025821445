"""What can go wrong in a scene, and the codes of runs that it ends."""

from __future__ import annotations

from collections.abc import Callable

from tests.sweep.harness import Scene

Fault = Callable[[Scene], None]


def broken(how: str) -> Fault:
    def fault(scene: Scene) -> None:
        scene.staged.switch.broken = how

    return fault


def disk_full(scene: Scene) -> None:
    scene.disk.full = True


HERE: dict[str, tuple[Fault, frozenset[str | None]]] = {
    "client-gone": (lambda scene: scene.client.leave(), frozenset({"client_disconnected"})),
    "cancelled": (Scene.cancel, frozenset({"run_cancelled"})),
    "shutdown": (Scene.shut_down, frozenset({"server_shutdown"})),
    "disk-full": (disk_full, frozenset()),
    "tools-lost": (broken("lost"), frozenset()),
}
"""Faults after which nobody waits, and the codes of runs that they end."""

LATER: dict[str, tuple[Fault, frozenset[str | None]]] = {
    "provider-cut": (broken("cut"), frozenset({"provider_stream_cut"})),
    "provider-error": (broken("error"), frozenset({"provider_unavailable"})),
    "provider-stall": (broken("stall"), frozenset({"provider_timeout", "inactivity_timeout"})),
}
"""Faults that are waited out, in virtual time."""
