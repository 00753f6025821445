"""Tool calls that a model wrote into its answer, because it knows no other way."""

from __future__ import annotations

from aura.pipeline.printed.calls import PrintedCall
from aura.pipeline.printed.parser import Parser

__all__ = ["Parser", "PrintedCall"]
