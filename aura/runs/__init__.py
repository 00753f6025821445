"""Runs as things that last: recorded while they happen, watched live, resumed, replayed."""
