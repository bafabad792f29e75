"""Errors and unusual answers. The name of the requested mbox selects an answer in ``servers.ODD``."""

from typing import Any, Callable, Dict

from environment import SESSION, Environment, execute, mbox, request

NAMES = (
    "400", "401", "403", "404", "429", "500", "502", "503", "400 without a body", "403 as text", "500 as HTML",
    "503 of 300 letters", "204", "206", "201", "301", "not JSON", "empty", "a list", "a text", "null", "a number",
    "half a body", "an empty object", "unknown fields", "wrong types", "options is an object", "a long tntId",
    "an id that is a text", "a number as content", "a list as content", "null as content", "nulls everywhere",
    "no id", "no edge host", "an edge host of another form", "tokens", "traces", "analytics", "views", "page loads",
    "notifications", "a status in the body", "Latin-1", "a byte order mark", "NaN", "a duplicate key",
)  # fmt: skip


def call_for_answer(name: str) -> Callable[[Environment], Any]:
    """Return a scenario of a call with this answer."""
    return lambda env: env.offers(request(execute=execute(mbox(name))))


def called_back(name: str) -> Callable[[Environment], Any]:
    """Return a scenario of a call with this answer and with callbacks."""
    return lambda env: env.call_with_callbacks(
        env.client().get_offers, {"request": request(execute=execute(mbox(name))), "session_id": SESSION}
    )


def call_another_host(env: Environment) -> Any:
    """Call a host without a server. 1.1.0 calls the first host of the process instead (B1)."""
    return env.offers(client=env.client(server_domain="127.0.0.1:9"))


SCENARIOS: Dict[str, Callable[[Environment], Any]] = {
    **{name: call_for_answer(name) for name in NAMES},
    "slow, with a timeout": lambda env: env.offers(request(execute=execute(mbox("slow"))), env.client(timeout=300)),
    **{"called back, " + name: called_back(name) for name in ("400", "503", "204", "not JSON", "wrong types")},
    "another host": call_another_host,
}
