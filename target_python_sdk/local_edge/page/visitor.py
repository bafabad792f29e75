"""Reads the form of the page, and returns the decisions for its visitor. Nothing is recorded."""

from typing import Callable, Dict, Mapping, NamedTuple, Tuple

from target_python_sdk.decisioning.context import with_device_id
from target_python_sdk.explain.calls import explain_with_artifact
from target_python_sdk.explain.explanation import MAX_RULES, Clause, LocationExplanation
from target_python_sdk.inspection.parameters import unread_parameters
from target_python_sdk.inspection.visitor_ids import device_id, experience_cloud_id, id_in_cookie, third_party_id
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.delivery import CLUSTER, build_response, locations_in
from target_python_sdk.local_edge.page.overview import offer_source
from target_python_sdk.local_edge.validation import Json, JsonValue, check_object, error_at
from target_python_sdk.types import (
    Address,
    ChannelType,
    ClientHints,
    Context,
    DeliveryRequest,
    ExecuteRequest,
    Geo,
    MboxRequest,
    ModelProperty,
    PrefetchRequest,
    RequestDetails,
    ViewRequest,
    VisitorId,
)
from target_tools.schema.model import copy_with

#: The fields of the form, with the maximum number of characters of each.
FIELDS: Dict[str, int] = {
    "id": 300,
    "kind": 40,
    "location": 1000,
    "url": 2000,
    "referrer": 2000,
    "parameters": 8000,
    "userAgent": 1000,
    "brands": 1000,
    "platform": 100,
    "cookies": 8000,
    "property": 300,
}
#: The kinds of ids, as a request names them, each with the function that reads it.
ID_KINDS: Dict[str, Callable[[str], str]] = {
    "tntId": device_id,
    "marketingCloudVisitorId": experience_cloud_id,
    "thirdPartyId": third_party_id,
}
#: The session id of requests from the page.
SESSION_ID = "page"
#: The maximum number of mboxes, and of views, in one request.
MAX_LOCATIONS = 200


class Visitor(NamedTuple):
    """The visitor in the form, with page, browser and parameters."""

    identity: VisitorId
    context: Context
    property_token: str
    #: The parameters of each location.
    parameters: Dict[str, str]
    #: The kind and the name of the location to decide; both are empty for all locations.
    location: Tuple[str, str]


def read_visitor(body: JsonValue) -> Visitor:
    """Return the visitor in a form. Raises ``OptionError``, whose message begins with the name of the field."""
    fields = _read_fields(body)
    if fields["kind"] not in ("", *ID_KINDS):
        raise error_at("kind", f"one of {', '.join(ID_KINDS)}", fields["kind"])
    hints = ClientHints(
        browser_ua_with_major_version=fields["brands"] or None, platform=fields["platform"].strip('"') or None
    )
    kind, _, name = fields["location"].partition(" ")
    return Visitor(
        _identity(fields),
        Context(
            channel=ChannelType.WEB,
            user_agent=fields["userAgent"] or None,
            address=Address(url=fields["url"] or None, referring_url=fields["referrer"] or None),
            client_hints=hints,
        ),
        fields["property"],
        _parameters(fields["parameters"]),
        (kind, name),
    )


def _read_fields(body: JsonValue) -> Dict[str, str]:
    given = check_object(body, "form", tuple(FIELDS))
    fields = {name: given.get(name, "") for name in FIELDS}
    for name, text in fields.items():
        if not isinstance(text, str):
            raise error_at(name, "text", text)
        if len(text) > FIELDS[name]:
            raise error_at(name, f"at most {FIELDS[name]} characters", problem=f"{len(text)} characters are too many")
    return {name: text.strip() for name, text in fields.items()}


def _identity(fields: Mapping[str, str]) -> VisitorId:
    if fields["id"]:
        kind = fields["kind"] or "tntId"
        identity: VisitorId = VisitorId.from_dict({kind: _read_id(fields, "id", ID_KINDS[kind])})
        return identity
    return VisitorId(tnt_id=_read_id(fields, "cookies", id_in_cookie) if fields["cookies"] else None)


def _read_id(fields: Mapping[str, str], name: str, read: Callable[[str], str]) -> str:
    try:
        return read(fields[name])
    except ValueError as error:
        raise error_at(name, "an id", problem=str(error)) from None


def _parameters(text: str) -> Dict[str, str]:
    parameters = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.partition("=")
        if equals and name.strip():
            parameters[name.strip()] = value.strip()
        elif line.strip():
            raise error_at("parameters", "name=value", problem=f"line {number}: expected name=value")
    return parameters


def decisions(content: EdgeContent, visitor: Visitor) -> Json:
    """Return the visitor's offers at each location, with the explanation, as JSON."""
    identity = with_device_id(visitor.identity, content.client, CLUSTER)
    request = delivery_request(content, visitor._replace(identity=identity))
    response = build_response(content, request, SESSION_ID).response
    offers = {}
    for mode in ("execute", "prefetch"):
        for kind, location in locations_in(response.get(mode, {})):
            name = content.artifact.global_mbox if kind == "pageLoad" else location["name"]
            offers[kind == "view", name] = [_offer(option) for option in location.get("options") or ()]
    explanation = explain_with_artifact(content.artifact, content.client, {"request": request})
    return {
        "visitor": explanation.visitor,
        "warnings": unread_parameters([content.artifact], visitor.parameters),
        "locations": [
            {**_explanation_json(location), "offers": offers.get((location.kind == "view", location.name), [])}
            for location in explanation.locations
        ],
    }


def _offer(option: Json) -> Json:
    tokens = option["responseTokens"]
    return {
        "activity": tokens.get("activity.name", ""),
        "experience": tokens.get("experience.name", ""),
        "type": option.get("type"),
        "content": offer_source(option["content"]) if "content" in option else None,
    }


def _explanation_json(location: LocationExplanation) -> Json:
    rules = list(location.relevant_rules())
    shown = [rule for number, rule in enumerate(rules) if number < MAX_RULES or rule.chosen]
    return {
        "title": location.title,
        "reason": location.reason,
        "problems": list(location.problems),
        "rules": [
            {
                "activity": rule.activity_title,
                "reason": rule.reason,
                "chosen": rule.chosen,
                "clauses": list(map(_clause, rule.relevant_clauses)),
            }
            for rule in shown
        ],
        "more": len(rules) - len(shown),
    }


def _clause(clause: Clause) -> Json:
    return {
        "held": clause.held,
        "text": clause.text,
        "seen": clause.problem or ", ".join(map(str, clause.seen)),
        "join": clause.join,
        "parts": list(map(_clause, clause.parts)),
    }


def delivery_request(content: EdgeContent, visitor: Visitor) -> DeliveryRequest:
    """Return the request for the location in the form. If it names none, request all mboxes and views.

    At most ``MAX_LOCATIONS`` mboxes and as many views are requested.
    """
    artifact = content.artifact
    all_locations = [("mbox", name) for name in artifact.mboxes] + [("view", name) for name in artifact.views]
    requested = [visitor.location] if visitor.location[0] else all_locations
    page = artifact.global_mbox
    mboxes = [name for kind, name in requested if kind == "mbox"][:MAX_LOCATIONS]
    views = [name for kind, name in requested if kind == "view"][:MAX_LOCATIONS]
    geo = Geo.from_dict(content.geo) if content.geo else None
    return DeliveryRequest(
        id=visitor.identity,
        context=copy_with(visitor.context, geo=geo),
        _property=ModelProperty(token=visitor.property_token) if visitor.property_token else None,
        execute=ExecuteRequest(
            page_load=RequestDetails(parameters=visitor.parameters) if page in mboxes else None,
            mboxes=[
                MboxRequest(index=at, name=name, parameters=visitor.parameters)
                for at, name in enumerate(mboxes)
                if name != page
            ],
        ),
        prefetch=PrefetchRequest(views=[ViewRequest(name=name, parameters=visitor.parameters) for name in views])
        if views
        else None,
    )
