"""A Django project with one view for each kind of call."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path

from target_python_sdk import TargetClient
from target_python_sdk.integrations.django import TargetRequest
from target_python_sdk.visits.browser_request import BrowserRequest
from tests.integrations.browsing import DEFAULT

MIDDLEWARE = "target_python_sdk.integrations.django.TargetMiddleware"
PAGES = {
    "page.html": "{% load target %}<script>state = {% target_server_state %};</script>{% target_script %}"
    "<p>{{ request.target.target_cookie }}</p>",
}


def configure() -> None:
    """Configure Django for the process, unless another test has done so."""
    if settings.configured:
        return
    import django  # noqa: PLC0415 - only tests of Django need it

    options = {"context_processors": ["django.template.context_processors.request"]}
    loaders = [("django.template.loaders.locmem.Loader", PAGES)]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["target_python_sdk.integrations.django.apps.TargetConfig"],
        LOGGING_CONFIG=None,
        MIDDLEWARE=[MIDDLEWARE],
        ROOT_URLCONF=__name__,
        SECRET_KEY="a key for tests",
        TARGET={"client": lambda: None},
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {**options, "loaders": loaders}}
        ],
        USE_TZ=True,
    )
    django.setup()


def home(request: TargetRequest) -> HttpResponse:
    return HttpResponse(request.target.offers("hero")["hero"].html or DEFAULT)


async def awaited(request: TargetRequest) -> HttpResponse:
    offers = await request.target.offers_async("hero")
    return HttpResponse(offers["hero"].html or DEFAULT)


def stream(request: TargetRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([request.target.offers("hero")["hero"].html or DEFAULT])


def page(request: TargetRequest) -> Any:
    offers = request.target.offers(views=["cart"], page_load=True)
    request.target.display(offers.view("cart"))
    request.target.click(offers.page_load)
    return render(request, "page.html")


def about(request: TargetRequest) -> HttpResponse:
    return HttpResponse("about")


def broken(request: TargetRequest) -> HttpResponse:
    request.target.offers("hero")
    raise RuntimeError("a mistake in the application")


urlpatterns = [
    path("", home),
    path("await", awaited),
    path("stream", stream),
    path("page", page),
    path("about", about),
    path("broken", broken),
]


def client() -> TargetClient:
    raise AssertionError("no test makes a call with this client")


def is_bot(visit: BrowserRequest) -> bool:
    return True
