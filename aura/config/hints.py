"""What to tell people about keys and words that exist elsewhere, later, or no more. Only data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from aura.config.llm import Anthropic, Bedrock, Gemini, Ollama, OpenAI, OpenRouter, Scripted
from aura.config.orchestration import Orchestration, Worker
from aura.config.schema import Agent, Document

LATER: Final[Mapping[type[msgspec.Struct], frozenset[str]]] = {
    Document: frozenset({"hitl", "vector_stores"}),
    Agent: frozenset({"skills"}),
    Orchestration: frozenset({"coordinator_vector_stores"}),
    Worker: frozenset({"skills", "vector_stores"}),
}
"""Keys of the configuration language that this version does not read yet, by table."""

REQUIRED: Final[Mapping[tuple[type[msgspec.Struct], str], str]] = {
    (Document, "agent"): "it says who answers with `name` and `system_prompt`",
    (Agent, "llm"): "it selects the model with `provider` and `model`",
}
"""What a missing table is for."""

REFUSED: Final[Mapping[tuple[type[msgspec.Struct], str], str]] = {
    (Document, "llm"): (
        "the legacy top-level [llm] table is not read any more: move it to [agent.llm], its "
        "provider parameters to [agent.llm.additional_params], and give a worker a model of its "
        "own in [orchestration.worker.<name>.llm]"
    ),
}
"""Keys that are an error although the table tolerates unknown ones."""

_ANY_LLM: Final = {
    "num_ctx": "it belongs in [agent.llm.additional_params]",
    "num_predict": "it belongs in [agent.llm.additional_params]",
    "per_call_timeout_secs": "it belongs in [agent]",
}

_MOVED_TO_LLM: Final = (
    "additional_params",
    "context_window",
    "max_concurrent_calls",
    "max_tokens",
    "reasoning_effort",
    "temperature",
)

MOVED: Final[Mapping[tuple[type[msgspec.Struct], str], str]] = {
    **{(Agent, key): "it belongs in [agent.llm]" for key in _MOVED_TO_LLM},
    **{
        (llm, key): hint
        for llm in (OpenAI, Anthropic, Bedrock, Gemini, Ollama, OpenRouter, Scripted)
        for key, hint in _ANY_LLM.items()
    },
    (Bedrock, "api_key"): (
        "AWS knows us by `profile`, or by the credentials that it finds in the environment"
    ),
    (Document, "vector_store"): "the tables are written [[vector_stores]]",
    (Document, "workers"): "workers are written [orchestration.worker.<name>]",
    (Document, "orchestrator"): "the coordinator is configured by [agent] and [orchestration]",
    (Orchestration, "workers"): "the tables are written [orchestration.worker.<name>]",
    (Orchestration, "quality_threshold"): "it is no longer used: results are not scored",
    (Orchestration, "per_call_timeout_secs"): "it belongs in [orchestration.timeouts]",
    (Orchestration, "stream_inactivity_timeout_secs"): "it belongs in [orchestration.timeouts]",
    (Orchestration, "max_session_runs"): "it belongs in [orchestration.artifacts]",
    (Orchestration, "show_tool_reasoning_in_continuation"): (
        "it belongs in [orchestration.artifacts]"
    ),
}
"""Where a key that is not known here should go."""
