"""Large results of tools, kept in files that a model explores piece by piece."""
