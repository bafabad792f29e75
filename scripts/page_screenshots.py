#!/usr/bin/env python3
"""Save screenshots of the local edge's page in FOLDER, by default ``docs/``.

    python -m scripts.page_screenshots [FOLDER]

Requires Chromium and ``requirements/browser.txt``.
"""

import sys
from pathlib import Path
from typing import Any

from target_python_sdk import TargetClient
from target_python_sdk.local_edge import LocalEdge
from tests.around.chromium import chromium
from tests.support import ROOT, options_for

#: The width of the window, its height, the color scheme, and the parts of the page to show.
WINDOWS = ((1280, 860, "light", ("visitor", "live")), (400, 860, "dark", ("activities", "traffic")))
ACTIVITIES = {
    "client": "acmeclient",
    "activities": [
        {
            "id": 1201,
            "name": "Greeting for members",
            "locations": ["hero"],
            "audience": {
                "and": [
                    {"==": [{"var": "mbox.member"}, "gold"]},
                    {"in": [{"var": "user.browserType"}, ["chrome", "firefox"]]},
                ]
            },
            "metrics": [{"type": "click"}],
            "experiences": [
                {"name": "Coupon", "share": 60, "offer": {"html": "<b>Ten percent off for you</b>"}},
                {"name": "Free delivery", "share": 30, "offer": {"html": "<b>We pay the postage</b>"}},
            ],
        },
        {
            "id": 1202,
            "name": "Welcome banner",
            "locations": ["hero", "target-global-mbox"],
            "experiences": [
                {"name": "Summer", "share": 80, "offer": {"json": {"title": "Summer is here", "colour": "yellow"}}},
                {"name": "Control", "share": 20},
            ],
        },
        {
            "id": 1203,
            "name": "Checkout button",
            "views": ["checkout"],
            "property": "shop-web",
            "experiences": [
                {
                    "name": name,
                    "offer": {"actions": [{"type": "setStyle", "selector": "#pay", "content": {"color": name}}]},
                }
                for name in ("green", "blue", "orange")
            ],
        },
        {
            "id": 1204,
            "name": "Loyalty offer",
            "locations": ["loyalty"],
            "remote": True,
            "experiences": [{"name": "Points", "offer": {"html": "Twice the points"}}, {"name": "Control"}],
        },
    ],
}


def send_requests(edge: LocalEdge) -> None:
    """Let a visitor see and click an offer, for the live part of the page."""
    visitor = {"tntId": "visitor-4.35_0"}
    mbox = {"name": "hero", "parameters": {"member": "gold"}}
    context = {"channel": "web", "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
    with TargetClient.create(options_for(edge)) as client:
        prefetch = {"id": visitor, "context": context, "prefetch": {"mboxes": [mbox]}}
        offer = client.get_offers(request=prefetch).offer("hero")
        events = [offer.display(), offer.click()]
        client.send_notifications(request={"id": visitor, "context": context, "notifications": events})


def use(page: Any) -> None:
    """Use each part of the page once."""
    page.get_by_text("Coupon").first.click()
    page.get_by_label("Visitor id", exact=True).fill("visitor-4")
    page.get_by_label("Mbox parameters").fill("member=gold")
    more = page.get_by_text("Client hints, cookies")
    more.click()
    page.get_by_label("Property token").fill("shop-web")
    more.click()
    page.get_by_label("Location", exact=True).select_option("mbox hero")
    page.get_by_role("button", name="Explain").click()
    page.locator("#visitor-result h4").first.wait_for()
    page.get_by_label("Location", exact=True).select_option("")
    page.get_by_role("button", name="Send 10,000 visitors").click()
    page.get_by_text("Done: 10,000 visitors").wait_for(timeout=300_000)


def main(folder: Path) -> None:
    """Write the pictures of all windows."""
    with LocalEdge(ACTIVITIES) as edge, chromium() as browser:
        send_requests(edge)
        for width, height, scheme, parts in WINDOWS:
            size = {"width": width, "height": height}
            page = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
            page.goto(f"http://{edge.domain}/")
            page.get_by_role("article").first.wait_for()
            use(page)
            for part in parts:
                page.locator(f"#{part}").evaluate("part => part.scrollIntoView()")
                page.screenshot(path=folder / f"local-edge-{part}-{width}.png")
            page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs")
