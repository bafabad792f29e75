"""Checks callables of the application before they are called in another thread."""

from __future__ import annotations

from functools import lru_cache, partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Callable, Optional

#: The flags of ``inspect`` for ``*args``, and for functions whose body does not run when they are called: generators,
#: coroutine functions and asynchronous generators.
_VARIADIC, _DEFERRED = 0x04, 0x20 | 0x80 | 0x100 | 0x200


def accepts(function: Callable[..., object], count: int) -> bool:
    """Return whether ``function`` can be called with ``count`` arguments. True if its signature is unknown."""
    plain: Any = function.__func__ if isinstance(function, MethodType) else function
    if isinstance(plain, FunctionType):  # this is faster than ``inspect``, and needs no import
        return _fits(plain, count + (plain is not function))
    if isinstance(plain, BuiltinFunctionType):
        text = getattr(plain, "__text_signature__", None) or ""
        model = _model(text)
        return model is None or _fits(model, count + ("$" in text))
    import inspect  # noqa: PLC0415 - slow to import, and most callbacks are functions

    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # a class without a signature
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _fits(function: FunctionType, count: int) -> bool:
    """Return whether a function, or the function of a method, can be called with ``count`` arguments."""
    code = function.__code__
    required = code.co_argcount - len(function.__defaults__ or ())
    fits = required <= count and (count <= code.co_argcount or code.co_flags & _VARIADIC != 0)
    return fits and code.co_kwonlyargcount == len(function.__kwdefaults__ or ())


@lru_cache(maxsize=64)
def _model(text: str) -> Optional[FunctionType]:
    """Return a function with the parameters of a built-in one, such as ``($self, object, /)``. None if unknown.

    ``inspect`` leaves reference cycles behind when it parses such text.
    """
    try:
        model: FunctionType = eval(f"lambda {text.strip('()').replace('$', '')}: None", {})
    except (SyntaxError, NameError):  # a default may be a name
        return None
    return model if text else None


def is_deferred(function: Callable[..., object]) -> bool:
    """Return whether a call of ``function`` returns a coroutine or a generator instead of running its body."""
    while isinstance(function, partial):
        function = function.func
    method = getattr(type(function), "__call__", None)  # noqa: B004 - its code object is read
    code = getattr(function, "__code__", None) or getattr(method, "__code__", None)
    flags = getattr(code, "co_flags", 0)
    return isinstance(flags, int) and flags & _DEFERRED != 0


def describe(function: Callable[..., object]) -> str:
    """Return the name and the parameters of ``function``."""
    import inspect  # noqa: PLC0415 - only mistakes need it

    name = getattr(function, "__qualname__", type(function).__name__).rpartition("<locals>.")[2]
    try:
        return name + str(inspect.signature(function, follow_wrapped=False))
    except (TypeError, ValueError):
        return name
