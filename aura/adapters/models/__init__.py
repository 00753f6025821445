"""Language models, one module per provider."""
