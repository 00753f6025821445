"""TOML files in, immutable structs or a list of every problem out."""

from __future__ import annotations

from aura.config.checks import default_agent
from aura.config.dotenv import Environment, read_dotenv
from aura.config.llm import (
    Anthropic,
    Bedrock,
    Gemini,
    Llm,
    Ollama,
    OpenAI,
    OpenRouter,
    Scripted,
)
from aura.config.load import Loaded, load
from aura.config.orchestration import Orchestration, Worker
from aura.config.render import as_json, as_toml
from aura.config.schema import Agent, Config, Document, Mcp, Scratchpad, Tools
from aura.config.secret import Secret
from aura.config.servers import HttpStreamable, Server, Sse, Stdio, Threshold
from aura.config.source import Source

__all__ = [
    "Agent",
    "Anthropic",
    "Bedrock",
    "Config",
    "Document",
    "Environment",
    "Gemini",
    "HttpStreamable",
    "Llm",
    "Loaded",
    "Mcp",
    "Ollama",
    "OpenAI",
    "OpenRouter",
    "Orchestration",
    "Scratchpad",
    "Scripted",
    "Secret",
    "Server",
    "Source",
    "Sse",
    "Stdio",
    "Threshold",
    "Tools",
    "Worker",
    "as_json",
    "as_toml",
    "default_agent",
    "load",
    "read_dotenv",
]
