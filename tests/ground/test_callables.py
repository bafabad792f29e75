"""Checks of a callable before a call: the number of arguments, and whether it returns a coroutine."""

import functools
import gc
from unittest import mock

import pytest

from target_tools.callables import accepts, describe, is_deferred


class Methods:
    def no_argument(self):
        """Take nothing."""

    def one_argument(self, answer):
        """Take one argument."""

    @staticmethod
    def static(answer):
        """Take one argument."""

    @classmethod
    def of_class(cls, answer, more=None):
        """Take one argument or two."""

    async def async_method(self, answer):
        """Return a coroutine."""

    def __call__(self, answer):
        """Take one argument."""


class AsyncCallable:
    async def __call__(self, answer):
        """Return a coroutine."""


def only_keyword(answer, *, required):
    """Take a keyword argument."""


@functools.wraps(only_keyword)
def wrapper(*arguments):
    """Take any arguments, but show the signature of another function."""


async def coroutine(answer):
    """Return a coroutine."""


async def async_generator(answer):
    """Return an asynchronous generator."""
    yield answer


@pytest.mark.parametrize(
    ("function", "counts"),
    [
        (lambda: None, {0}),
        (lambda a: None, {1}),
        (lambda a=1: None, {0, 1}),
        (lambda a, b: None, {2}),
        (lambda *a: None, {0, 1, 2}),
        (lambda **a: None, {0}),
        (lambda *, a=1: None, {0}),
        (only_keyword, set()),
        (wrapper, {0, 1, 2}),
        (Methods().no_argument, {0}),
        (Methods().one_argument, {1}),
        (Methods.one_argument, {2}),
        (Methods.static, {1}),
        (Methods.of_class, {1, 2}),
        (Methods(), {1}),
        (functools.partial(Methods.one_argument, None), {1}),
        ([].append, {1}),
        ([].clear, {0}),
        ([].index, {0, 1, 2}),  # unknown, because one of its defaults is not a literal but ``sys.maxsize``
        (len, {1}),
        (sorted, {1}),
        (print, {0, 1, 2}),
        (mock.Mock(), {0, 1, 2}),
    ],
)
def test_accepts_checks_the_number_of_arguments(function, counts):
    assert {count for count in range(3) if accepts(function, count)} == counts


def test_the_check_of_a_built_in_function_leaves_no_garbage():
    gc.collect()
    gc.disable()
    try:
        accepts(functools.cmp_to_key, 1)
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (coroutine, True),
        (async_generator, True),
        (Methods().async_method, True),
        (AsyncCallable(), True),
        (functools.partial(functools.partial(coroutine)), True),
        (mock.AsyncMock(), True),
        (mock.Mock(), False),
        (mock.MagicMock(), False),
        (Methods(), False),
        (Methods().one_argument, False),
        (print, False),
        (dict, False),
    ],
)
def test_only_coroutine_functions_and_asynchronous_generators_are_deferred(function, expected):
    assert is_deferred(function) is expected


def test_a_function_is_described_by_its_name_and_parameters():
    assert describe(Methods().of_class) == "Methods.of_class(answer, more=None)"
    assert describe(AsyncCallable()) == "AsyncCallable(answer)"
    assert describe(dict) == "dict"
