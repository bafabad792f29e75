"""The table of targets: the function that checks an input, and how to generate inputs."""

from typing import Callable, Dict, NamedTuple

from tests.fuzzing.edge_targets import check_artifact, check_reply, check_response, check_rule
from tests.fuzzing.option_targets import check_option_url
from tests.fuzzing.visitor_targets import (
    check_http_request,
    check_page_url,
    check_target_cookie,
    check_user_agent,
    check_visitor_cookie,
)


class Target(NamedTuple):
    """A function that raises an exception if an input breaks a property, and the size of generated inputs."""

    check: Callable[[bytes], None]
    #: The maximum size in bytes.
    max_size: int
    #: Whether to mutate the values of a JSON document instead of bytes.
    is_json: bool = False


TARGETS: Dict[str, Target] = {
    "artifact": Target(check_artifact, 8192, is_json=True),
    "http_request": Target(check_http_request, 4096),
    "option_url": Target(check_option_url, 300),
    "page_url": Target(check_page_url, 600),
    "reply": Target(check_reply, 4096),
    "response": Target(check_response, 4096, is_json=True),
    "rule": Target(check_rule, 2048, is_json=True),
    "target_cookie": Target(check_target_cookie, 1024),
    "user_agent": Target(check_user_agent, 1024),
    "visitor_cookie": Target(check_visitor_cookie, 1024),
}
