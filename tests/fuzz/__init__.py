"""Whatever bytes a provider sends, its parser gives events or one of our errors.

`python -m tests.fuzz PROVIDER SECONDS` looks for bytes of which that is not true.
"""
