"""Explains on-device decisions: which rule decided, and why the others did not.

:meth:`TargetClient.explain <target_python_sdk.TargetClient.explain>` returns an :class:`Explanation`. :func:`describe`
puts the condition of an audience into words.
"""

from target_python_sdk.explain.explanation import Clause, Explanation, LocationExplanation, RuleExplanation, Seen
from target_python_sdk.explain.structure import Share
from target_python_sdk.explain.wording import describe

__all__ = ["Clause", "Explanation", "LocationExplanation", "RuleExplanation", "Seen", "Share", "describe"]
