"""Aura: TOML in, streaming AI agents out."""
