"""What the pipeline needs from the outside: conversations in, events out.

Adapters implement these protocols; nothing here does any work.
"""

from __future__ import annotations

from aura.pipeline.ports.log import Log
from aura.pipeline.ports.models import (
    NO_TOOL,
    Assistant,
    Home,
    Message,
    Model,
    Options,
    Prompt,
    ToolReply,
    ToolSpec,
    User,
)
from aura.pipeline.ports.storage import Diverted, Record, Records, Scratchpad, Scratchpads
from aura.pipeline.ports.tools import Offer, Outcome, Tool, Toolbox, Toolset

__all__ = [
    "NO_TOOL",
    "Assistant",
    "Diverted",
    "Home",
    "Log",
    "Message",
    "Model",
    "Offer",
    "Options",
    "Outcome",
    "Prompt",
    "Record",
    "Records",
    "Scratchpad",
    "Scratchpads",
    "Tool",
    "ToolReply",
    "ToolSpec",
    "Toolbox",
    "Toolset",
    "User",
]
