"""Calls to a port without a server.

They run in a separate process, because 1.1.0 would call the host of an earlier call instead (B1).
"""

from typing import Any, Callable, Dict

from environment import SESSION, Environment, request

SCENARIOS: Dict[str, Callable[[Environment], Any]] = {
    "connection refused": lambda env: env.offers(client=unreachable_client(env)),
    "connection refused, called back": lambda env: env.call_with_callbacks(
        unreachable_client(env).get_offers, {"request": request(), "session_id": SESSION}
    ),
}


def unreachable_client(env: Environment) -> Any:
    """Create a client whose server does not run."""
    return env.client(timeout=2000)
