"""What a model reads in place of a result that was put on the scratchpad. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aura.adapters.scratchpad.filing import Companion, Filed

NAMES = {"json": "JSON", "markdown": "markdown", "text": "text"}

INSTEAD = (
    "All of it would not fit into the context window, so this message takes its place. Read what"
    " you need of the file with these tools:"
)


def pointer(tool: str, filed: Filed, tokens: str, outline: Sequence[str]) -> str:
    """What was kept where, how it looks, and which calls to explore it with.

    `tokens` is their number in words, `outline` lines about the structure or the beginning.
    """
    headline = (
        f"[scratchpad: the output of {tool} was saved to '{filed.file}' ({tokens} tokens,"
        f" {filed.lines} lines, {_named(filed)})]"
    )
    return "\n".join(
        (
            headline,
            INSTEAD,
            *_calls(filed),
            *outline,
            *(line for each in filed.companions for line in _companion(filed.file, each)),
        )
    )


def failed(tool: str, tokens: str, reason: str) -> str:
    """What a model reads when a result could be neither kept nor shown."""
    return (
        f"[scratchpad: failed to save the output of {tool} ({tokens} tokens): {reason}]\n"
        "The output is too large for the context window and is lost. Call the tool again with a"
        " narrower request, or go on without it."
    )


def _named(filed: Filed) -> str:
    if filed.records is not None:
        return f"JSON: a list of {filed.records} records, which came as one line each"
    return NAMES[filed.format]


def _calls(filed: Filed) -> Iterator[str]:
    file = f'file="{filed.file}"'
    if filed.format == "json":
        yield f"- schema({file}): the tree of keys and types, with line numbers"
        yield f'- item_schema({file}, path="..."): the keys of the items of one list'
        yield (
            f'- get_in({file}, path="key.0.name"): one value; of a long text some lines, with'
            " offset and limit"
        )
        yield (
            f'- iterate_over({file}, path="...", fields="a,b.c"): some fields of all items; only'
            ' certain items with where="field=value"'
        )
    elif filed.format == "markdown":
        yield f"- schema({file}): the headers, with line numbers"
    yield f'- grep({file}, pattern="..."): lines that match a regular expression'
    yield f"- head({file}, lines=50): the first lines"
    yield f"- slice({file}, start=1, end=50): certain lines"


def _companion(parent: str, companion: Companion) -> Iterator[str]:
    file = f'file="{companion.file}"'
    yield (
        f"[companion: '{companion.file}' has the text at {companion.path} ({companion.lines} lines,"
        f" {NAMES[companion.format]})]"
    )
    yield (
        f"Read this text in the companion file: get_in on '{parent}' gives it only as one raw text."
    )
    if companion.format == "json":
        yield (
            f'- schema({file}), get_in({file}, path="..."), item_schema({file}, path="..."),'
            f' iterate_over({file}, path="...", fields="..."), head({file}, lines=30),'
            f' grep({file}, pattern="...")'
        )
    else:
        structure = f"schema({file}), " if companion.format == "markdown" else ""
        yield (
            f'- {structure}head({file}, lines=30), grep({file}, pattern="..."),'
            f" slice({file}, start=1, end=50)"
        )


GUIDANCE = """\
Some tools give more than fits into the conversation. What they give is then kept in a file, and you
get a message that begins with `[scratchpad:` and names the file. Explore such files with:
- schema: the structure of JSON or markdown, with line numbers. Begin with it.
- item_schema: which keys the items of a list have, and of which types.
- iterate_over: some fields of all items of a list, or of those that fulfil a condition.
- get_in: a single value by its path.
- grep: lines that match a regular expression.
- head and slice: lines from the beginning, or from anywhere.
- read: a whole file. Most are too large for that.
A long text inside a JSON document has a companion file of its own; the message names it. Read the
text there: all tools work on a JSON companion, and schema and then slice are best for markdown.
Look at the structure first, then ask for exactly what you need: for lists item_schema and then
iterate_over, for single values get_in, for words grep. The message about a file often answers the
question already. An answer with `_too_large` in it says what to ask for instead."""
"""What the system prompt of an agent with a scratchpad says about it."""
