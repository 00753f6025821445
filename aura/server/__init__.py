"""The stream of a run, written down as HTTP."""
