"""Answers the requests of the page: its files, and the data that it shows."""

import contextlib
import json
import threading
from typing import Callable, Dict, Generator, Optional, Tuple

from target_python_sdk.inspection.parameters import unread_parameters
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.http_messages import ByteStream, RecordedRequest, Reply, error_reply, method_error
from target_python_sdk.local_edge.no_offer import explain_no_offer
from target_python_sdk.local_edge.page.files import HEADERS, PAGE_PREFIX, file_reply, wants_page
from target_python_sdk.local_edge.page.overview import describe_content
from target_python_sdk.local_edge.page.traffic import simulate
from target_python_sdk.local_edge.page.visitor import Visitor, decisions, read_visitor
from target_python_sdk.local_edge.reports import MAX_REASONS
from target_python_sdk.local_edge.validation import Json, check_list, check_object, check_text, error_at
from target_tools.errors import OptionError

#: The maximum number of simulations that run at the same time.
MAX_SIMULATIONS = 2


class Page:
    """The page of an edge.

    ``content`` returns the edge's current content. ``problem`` returns the mistake in its file, or None.
    """

    def __init__(self, content: Callable[[], EdgeContent], problem: Callable[[], Optional[str]]) -> None:
        self._content = content
        self._problem = problem
        self._simulations = threading.BoundedSemaphore(MAX_SIMULATIONS)
        self._routes: Dict[str, Tuple[str, Callable[[RecordedRequest], Reply]]] = {
            "content": ("GET", self._serve_content),
            "visitor": ("POST", self._serve_visitor),
            "no-offer": ("POST", self._serve_no_offer),
            "split": ("POST", self._serve_split),
        }

    def reply(self, request: RecordedRequest) -> Optional[Reply]:
        """Return the reply to a request of the page, or None for any other request."""
        if request.path == "/" and request.method in ("GET", "HEAD") and wants_page(request.headers):
            return file_reply("index.html")
        if not request.path.startswith(PAGE_PREFIX):
            return None
        name = request.path[len(PAGE_PREFIX) :]
        method, respond = self._routes.get(name, ("GET", lambda _: file_reply(name)))
        refused = method_error(request, method)
        if refused is not None:
            return refused
        try:
            reply = respond(request)
        except OptionError as error:
            return error_reply(400, str(error))
        return error_reply(404, f"{request.path}: not found") if reply is None else reply

    def _serve_content(self, _: RecordedRequest) -> Reply:
        return Reply(200, {**describe_content(self._content()), "problem": self._problem()}, HEADERS)

    def _serve_visitor(self, request: RecordedRequest) -> Reply:
        return Reply(200, decisions(self._content(), read_visitor(request.body)), HEADERS)

    def _serve_no_offer(self, request: RecordedRequest) -> Reply:
        """Return, for ``target-sdk offers``, why locations have no offer, and which parameters no rule reads."""
        form = check_object(request.body, "form", ("visitor", "property", "locations", "parameters"))
        content, reasons = self._content(), []
        for index, location in enumerate(check_list(form.get("locations", []), "locations")[:MAX_REASONS]):
            place = f"locations[{index}]"
            parts = [check_text(each, place) for each in check_list(location, place)]
            if len(parts) != 2:
                raise error_at(place, "a kind and a name", location)
            kind, name = parts
            reasons.append(explain_no_offer(content, kind, name, form.get("visitor"), form.get("property")))
        names = [check_text(each, "parameters") for each in check_list(form.get("parameters", []), "parameters")]
        return Reply(200, {"reasons": reasons, "warnings": unread_parameters([content.artifact], names)}, HEADERS)

    def _serve_split(self, request: RecordedRequest) -> Reply:
        visitor, content = read_visitor(request.body), self._content()

        def stream(is_stopping: Callable[[], bool]) -> ByteStream:
            with contextlib.closing(self._simulate(content, visitor)) as reports:
                for report in reports:
                    if is_stopping():
                        break
                    yield json.dumps(report).encode("ascii") + b"\n"

        return Reply(200, stream, {**HEADERS, "Content-Type": "application/x-ndjson"})

    def _simulate(self, content: EdgeContent, visitor: Visitor) -> Generator[Json, None, None]:
        if not self._simulations.acquire(blocking=False):
            yield {"problem": f"{MAX_SIMULATIONS} simulations are already running"}
            return
        try:
            yield from simulate(content, visitor)
        finally:
            self._simulations.release()
