"""What models of a team are told, in our own words. Pure: facts in, text out.

What workers and tools gave is fenced by tags and called data, because whoever wrote it is not the
operator.
"""

from __future__ import annotations


def fenced(tag: str, text: str) -> str:
    """The text between tags that it cannot close itself."""
    return f"<{tag}>\n{text.replace(f'</{tag}', f'< /{tag}')}\n</{tag}>"
