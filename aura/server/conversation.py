"""The messages of a request as the conversation that an agent continues."""

from __future__ import annotations

from collections.abc import Sequence

from aura.errors import RequestError
from aura.events import MAIN, ToolCalled
from aura.pipeline.ports import Assistant, Message, ToolReply, User
from aura.server.asked import CalledTool, ChatMessage, ImageUrl, Part, named


def conversation(messages: Sequence[ChatMessage], *, tools: bool) -> tuple[Message, ...]:
    """The conversation that the agent continues. Raises `RequestError` when it cannot.

    System messages are left out: the configured prompt is the only one. So are messages without
    text and, unless the agent takes the `tools` of clients, tool messages and tool calls.
    """
    last = messages[-1].role
    if last != "user" and not (tools and last == "tool"):
        raise RequestError(_wrong_end(last, tools=tools), param="messages")
    found = _Conversation(tools=tools)
    for index, message in enumerate(messages):
        found.add(message, index)
    return found.complete(ends_with_user=last == "user")


def dropped_roles(messages: Sequence[ChatMessage], *, tools: bool) -> tuple[str, ...]:
    """The roles whose messages the agent does not get to see, sorted, as `named` shows them."""
    seen = {"user", "assistant", *(["tool"] if tools else [])}
    return named(sorted({message.role for message in messages} - seen))


def _wrong_end(role: str, *, tools: bool) -> str:
    if role == "tool":
        return (
            "The last message has the role 'tool', but this agent does not take the tools of"
            " clients: its configuration has no `enable_client_tools = true`."
        )
    wanted = "from the user or the result of a tool" if tools else "from the user"
    return f"The last message must be {wanted}, but its role is {role!r}."


class _Conversation:
    """A conversation being read; knows which tool calls still lack their result."""

    def __init__(self, *, tools: bool) -> None:
        self._tools = tools
        self._found: list[Message] = []
        self._open: dict[str, str] = {}
        self._asked_at = 0

    def add(self, message: ChatMessage, index: int) -> None:
        """Read the next message."""
        if self._tools and message.role == "tool":
            self._result(message, index)
            return
        match message.role:
            case "user":
                self._answered()
                text, images = _content(message, index)
                if text.strip() or images:
                    self._found.append(User(text=text, images=images))
            case "assistant":
                self._answered()
                text, _ = _content(message, index)
                calls = self._calls(message.tool_calls or [], index) if self._tools else ()
                if text.strip() or calls:
                    self._found.append(Assistant(text=text, calls=calls))

    def complete(self, *, ends_with_user: bool) -> tuple[Message, ...]:
        """The conversation; a question that is blank is one all the same."""
        self._answered()
        last = self._found[-1] if self._found else None
        if ends_with_user and not isinstance(last, User):
            self._found.append(User(text=""))
        return tuple(self._found)

    def _calls(self, calls: Sequence[CalledTool], index: int) -> tuple[ToolCalled, ...]:
        self._asked_at = index
        for position, call in enumerate(calls):
            if call.id in self._open:
                place = f"messages[{index}].tool_calls[{position}]"
                message = f"{place}: the id {call.id!r} is there twice."
                raise RequestError(message, param="messages")
            self._open[call.id] = call.function.name
        return tuple(
            ToolCalled(
                agent_id=MAIN,
                tool_id=call.id,
                tool_name=call.function.name,
                arguments=call.function.arguments,
                delegated=True,
            )
            for call in calls
        )

    def _result(self, message: ChatMessage, index: int) -> None:
        name = self._open.pop(message.tool_call_id or "", None)
        if name is None:
            raise RequestError(
                f"messages[{index}]: a tool message must answer a call of the assistant message"
                f" before it, but tool_call_id is {message.tool_call_id!r}.",
                param="messages",
            )
        text, _ = _content(message, index)
        self._found.append(ToolReply(tool_id=message.tool_call_id or "", tool_name=name, text=text))

    def _answered(self) -> None:
        """Raise `RequestError` when a call has no result."""
        for tool_id in self._open:
            raise RequestError(
                f"messages[{self._asked_at}]: no tool message answers the call {tool_id!r}.",
                param="messages",
            )


def _content(message: ChatMessage, index: int) -> tuple[str, tuple[str, ...]]:
    if message.content is None:
        return "", ()
    if isinstance(message.content, str):
        return message.content, ()
    texts: list[str] = []
    images: list[str] = []
    for position, part in enumerate(message.content):
        match part:
            case Part(type="text", text=str(text)):
                texts.append(text)
            case Part(type="image_url", image_url=ImageUrl(url=url)) if message.role == "user":
                images.append(url)
            case _:
                raise _unsupported(part, message.role, f"messages[{index}].content[{position}]")
    return "".join(texts), tuple(images)


def _unsupported(part: Part, role: str, place: str) -> RequestError:
    return RequestError(
        f"{place}: a part of type {part.type!r} is not supported in a message of role {role!r};"
        " send text, or image_url in a user message.",
        param="messages",
    )
