"""Tools that read files below one directory, and nothing else."""

from __future__ import annotations

from aura.adapters.filesystem.tools import filesystem_tools

__all__ = ["filesystem_tools"]
