"""The views. The page reports displays and clicks to ``notify``."""

import json
from typing import Any

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render

from target_python_sdk import Offer
from target_python_sdk.integrations.django import TargetRequest
from target_python_sdk.types import MetricType, Notification, NotificationMbox
from target_python_sdk.visits.offers import Offers

#: The content without Target.
DEFAULT = {"title": "Products", "products": ["Wool socks"]}


def home(request: TargetRequest) -> HttpResponse:
    """Show a prefetched offer; at.js shows the page load."""
    offers = request.target.offers("products", prefetch=True)
    request.target.offers(page_load=True)  # the last answer is the state for at.js
    return page(request, offers)


async def async_home(request: TargetRequest) -> HttpResponse:
    """Do the same as ``home``, without blocking the event loop."""
    offers = await request.target.offers_async("products", prefetch=True)
    await request.target.offers_async(page_load=True)
    return page(request, offers)


def page(request: TargetRequest, offers: Offers) -> HttpResponse:
    """Render the page with the offer and its tokens."""
    offer: Offer = offers["products"]
    reports = {"display": offer.display().tokens, "click": offer.click().tokens} if offer else {}
    return render(request, "home.html", {"content": offer.json or DEFAULT, "reports": reports})


def notify(request: TargetRequest) -> HttpResponse:
    """Report the display or click that the page has posted as JSON."""
    report = report_of(request.body)
    if report is None:  # a browser can send anything
        return HttpResponseBadRequest()
    mbox = NotificationMbox(name="products")
    request.target.notify(Notification(type=report["type"], tokens=report["tokens"], mbox=mbox))
    return HttpResponse(status=204)


def report_of(body: bytes) -> Any:
    """Return the type and the tokens in the body of a request, or None if it is invalid."""
    try:
        report = json.loads(body)
    except ValueError:
        return None
    if not isinstance(report, dict) or report.get("type") not in (MetricType.DISPLAY, MetricType.CLICK):
        return None
    tokens = report.get("tokens")
    return report if isinstance(tokens, list) and all(isinstance(each, str) for each in tokens) else None
