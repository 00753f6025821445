"""Content blocks put together from the pieces that Anthropic's API streams. Pure."""

from __future__ import annotations

import msgspec

from aura.adapters.models._anthropic_turns import Place
from aura.adapters.models._anthropic_wire import Delta, decode_start
from aura.adapters.models.complaints import UNREADABLE

_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any = msgspec.json.Decoder(msgspec.Raw).decode


class Block:
    """A content block that may still grow; `place` is what came before it in the answer. Raises
    `ValueError` for what is none."""

    def __init__(self, raw: msgspec.Raw, place: Place) -> None:
        self._fields = _decode_fields(bytes(raw))
        self._start = decode_start(raw)
        self._pieces: list[str] = []
        self._signature = self._start.signature or ""
        self._citations: list[msgspec.Raw] = []
        self.place = place

    @property
    def type(self) -> str:
        """What kind of block it is."""
        return self._start.type

    @property
    def tool(self) -> str:
        """The tool of ours that is called, if it is a call."""
        return (self._start.name or "") if self.type == "tool_use" else ""

    @property
    def tool_id(self) -> str:
        """The id of the call; empty if the server gave none."""
        return self._start.id or ""

    @property
    def opening(self) -> Delta:
        """What the block began with; most begin empty."""
        if self.type == "text":
            return Delta(text=self._start.text)
        return Delta(thinking=self._start.thinking if self.type == "thinking" else None)

    def add(self, delta: Delta) -> None:
        """Let it grow."""
        if piece := delta.text or delta.thinking or delta.partial_json:
            self._pieces.append(piece)
        elif delta.signature:
            self._signature += delta.signature
        elif delta.citation:
            self._citations.append(delta.citation.copy())

    def arguments(self) -> str:
        """The arguments of the call as the model wrote them."""
        return "".join(self._pieces) or bytes(self._start.input).decode() or "{}"

    def is_signed(self) -> bool:
        """Whether it is a thought that the provider wants back."""
        if self.type == "thinking":
            return bool(self._signature)
        return self.type == "redacted_thinking" and bool(self._start.data)

    def whole(self) -> msgspec.Raw:
        """The block as it can be sent back; empty when it would be refused."""
        fields = dict(self._fields)
        match self.type:
            case "text":
                text = (self._start.text or "") + "".join(self._pieces)
                if not text.strip():
                    return msgspec.Raw()
                fields["text"] = _raw(text)
            case "thinking":
                fields["thinking"] = _raw((self._start.thinking or "") + "".join(self._pieces))
                fields["signature"] = _raw(self._signature)
            case _ if self._pieces:
                fields["input"] = _json("".join(self._pieces))
        if self._citations:
            fields["citations"] = _raw(self._citations)
        return _raw(fields)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def _json(text: str) -> msgspec.Raw:
    """The value of a JSON text, or an empty object where it is none."""
    try:
        return _decode_any(text).copy()
    except UNREADABLE:
        return msgspec.Raw(b"{}")
