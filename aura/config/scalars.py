"""Single values: what a number, a boolean, a word or a text may be written as."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec.inspect as types

from aura.config.secret import Secret

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,19}(\.[0-9]{1,19})?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_LARGEST: Final = 2**63 - 1

_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a float"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
    (dt.date, "a date"),
    (dt.time, "a time"),
)


class Misfit(Exception):
    """Raised when a value is not what its key takes; says what it must be."""

    def __init__(self, message: str, *, kind: str = "parse") -> None:
        super().__init__(message)
        self.kind = kind


def kind_of(value: object) -> str:
    """What TOML calls the value, with its article."""
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "something else")


def scalar(value: object, expected: types.Type) -> object:
    """The value as the expected type; raises `Misfit`."""
    match expected:
        case types.IntType():
            return _within(_whole(value), expected)
        case types.FloatType():
            return _within(_number(value), expected)
        case types.BoolType():
            return _boolean(value)
        case types.LiteralType(values=words):
            return _word(value, words)
        case types.CustomType(cls=cls) if cls is Secret:
            return Secret(_text(value))
        case types.StrType():
            return _text(value)
    raise NotImplementedError(f"no way to read {expected!r}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Misfit(f"must be a string in quotes, got {kind_of(value)}")
    return value


def _word(value: object, words: Sequence[object]) -> str:
    text = _text(value)
    if text not in words:
        raise Misfit(f"{text!r} is not one of {', '.join(map(str, words))}")
    return text


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise Misfit(f"must be true or false, got {kind_of(value)}")
    if value.strip() not in {"true", "false"}:
        raise Misfit(f"must be true or false, got {value!r}")
    return value.strip() == "true"


def _whole(value: object) -> int:
    exact = _decimal(value, _WHOLE, "a whole number")
    if exact != exact.to_integral_value():
        raise Misfit(f"must be a whole number, got {value!r}")
    if exact < 0:
        raise Misfit(f"must be non-negative, got {value!r}")
    if exact > _LARGEST:
        raise Misfit(f"must be a whole number of at most 64 bits, got {value!r}")
    return int(exact)


def _number(value: object) -> float:
    number = float(_decimal(value, _NUMBER, "a finite number"))
    if not math.isfinite(number):
        raise Misfit(f"must be a finite number, got {value!r}", kind="validation")
    return number


def _decimal(value: object, spelling: re.Pattern[str], wanted: str) -> Decimal:
    """The value without rounding; a string has to be spelt like a number."""
    match value:
        case bool():
            raise Misfit(f"must be {wanted}, got a boolean")
        case str() if spelling.fullmatch(value.strip()):
            return Decimal(value.strip())
        case float() if not math.isfinite(value):
            raise Misfit(f"must be {wanted}, got {value!r}", kind="validation")
        case int() | float():
            return Decimal(value)
        case str():
            raise Misfit(f"must be {wanted}, got {value!r}")
    raise Misfit(f"must be {wanted}, got {kind_of(value)}")


def _within(number: float, limits: types.IntType | types.FloatType) -> float:
    """The number, unless it is too small or too large for its key."""
    if limits.ge is not None and number < limits.ge:
        raise Misfit(f"must be at least {limits.ge}, got {number!r}", kind="validation")
    if limits.gt is not None and number <= limits.gt:
        raise Misfit(f"must be greater than {limits.gt}, got {number!r}", kind="validation")
    if limits.le is not None and number > limits.le:
        raise Misfit(f"must be at most {limits.le}, got {number!r}", kind="validation")
    return number
