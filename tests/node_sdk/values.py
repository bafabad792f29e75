"""The values that random artifacts and calls choose from, so that conditions often hold."""

#: The time of every call, in milliseconds since 1970: a Friday at 10:40 UTC.
NOW = 1709894400000

PROPERTIES = ("property-1", "property-2", "property-3")
REGIONS = ("CA", "ZH", "ca")
CITIES = ("SAN FRANCISCO", "SANFRANCISCO", "Zurich", "ZURICH", "PARIS")

URLS = (
    "https://shop.example.com/shoes/running?ref=mail&campaign=autumn#top",
    "https://www.example.com/",
    "http://example.co.uk/A/B?Q=1",
    "https://WWW.Shop.Example.COM/Shoes",
    "https://a.b.example.github.io/x",
    "http://localhost:8080/cart?x=%20y",
    "https://example.de",
)
#: Values to compare with the parts of these URLs, by the name of the part.
TEXTS = {
    "url": (*URLS, URLS[0].upper(), "shop.example", "/"),
    "path": ("/shoes/running", "/", "/A/B", "/a/b", "/shoes", "/Shoes", "/cart", ""),
    "query": ("ref=mail&campaign=autumn", "Q=1", "q=1", "campaign", "", "x=%20y"),
    "fragment": ("top", "", "TOP"),
    "domain": ("example.com", "example.co.uk", "Example.COM", "localhost", "example.github.io", "example.de"),
    "subdomain": ("shop", "www", "", "a.b", "Shop", "www.shop"),
    "topLevelDomain": ("com", "co.uk", "github.io", "de", "COM", "uk"),
}

PARAMETERS = {
    "color": ("red", "Red", "green", ""),
    "size": ("10", 10, "9", "", "x", "1e1", 5),
    "a.b": ("red", "1", 1),
    "a.b.c": ("deep", "Deep"),
    "user.name": ("ann", "Ann"),
    "flag": (True, "true", 1, "1"),
    "none": ("x", None),
}

CONTENTS = (
    "<b>Hello</b>",
    "<i>${campaign.name} ${activity.id} ${recipe.name} ${experience.id} ${offer.name} ${option.name}</i>",
    "<p>${mbox.color} ${color} ${mbox.name} ${view.name} ${unknown.thing} ${mbox.a.b} ${user.name}</p>",
    "${mbox.size}${size}${location.name}${offer.id}${",
)

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
USER_AGENTS = {
    "chrome": f"{_WINDOWS} {_WEBKIT} Chrome/128.0.0.0 Safari/537.36",
    "chrome on mac": f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Chrome/99.0.1.2 Safari/537.36",
    "chrome on android": f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {_WEBKIT} Chrome/127.0.0.0 Mobile Safari/537.36",
    "chrome on iphone": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1"
    ),
    "firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "firefox on windows": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:89.0) Gecko/20100101 Firefox/89.0",
    "safari": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
        "Safari/605.1.15"
    ),
    "safari on iphone": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/17.5 Mobile/15E148 Safari/604.1"
    ),
    "safari on ipad": (
        "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 "
        "Mobile/15E148 Safari/604.1"
    ),
    "web view on iphone": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
    ),
    "edge": f"{_WINDOWS} {_WEBKIT} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.87",
    "old edge": f"{_WINDOWS} {_WEBKIT} Chrome/64.0.3282.140 Safari/537.36 Edge/17.17134",
    "internet explorer": "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "opera": f"{_WINDOWS} {_WEBKIT} Chrome/125.0.0.0 Safari/537.36 OPR/111.0.0.0",
    "robot": "curl/8.4.0",
    "nothing": "",
}

#: The brands in the client hints of Chrome.
BRANDS = '"Chromium";v="120", "Google Chrome";v="120", "Not=A?Brand";v="24"'
