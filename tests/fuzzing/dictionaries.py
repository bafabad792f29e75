"""Words from which the fuzzer builds inputs. Each word has a meaning for the code of its target."""

from pathlib import Path
from typing import Dict, List

from target_tools.rules.loop_operators import GROWING_OPERATORS, LOOP_OPERATORS
from target_tools.rules.operators import OPERATORS

_OPERATORS = [*OPERATORS, *GROWING_OPERATORS, *LOOP_OPERATORS]
_URL = ["http://", "https://", "//", "@", ":", "#", "?", "/", "\\", "%40", "[::1]", "127.0.0.1", ".co.uk", "www."]
_IDS = ["|", "#", ";", "=", "%", "%7C", "%23", ".35_0", "9999999999", "1e400", "-1", "\x00", "\ud800", '"']
_HEADERS = [
    "Cookie: ", "Host: ", "Referer: ", "User-Agent: ", "Accept-Language: ", "X-Forwarded-For: ", "X-Forwarded-Host: ",
    "X-Forwarded-Proto: ", "Sec-CH-UA: ", "Sec-CH-UA-Mobile: ", "Sec-CH-UA-Full-Version-List: ", "https", "::ffff:",
    "mbox=", "mboxEdgeCluster=", "at_qa_mode=", "AMCV_1234567890%40AdobeOrg=", "at_preview_token=", "at_preview_index=",
]  # fmt: skip
_OPTION_FIELDS = [
    "options", "type", "html", "json", "actions", "redirect", "content", "eventToken", "responseTokens", "metrics",
    "click", "display", "analytics", "payload", "pe", "tnta", "state", "trace", "key", "name", "index", "selector",
]  # fmt: skip

WORDS: Dict[str, List[str]] = {
    "artifact": [
        *("version", "1.0.0", "meta", "globalMbox", "target-global-mbox", "geoTargetingEnabled", "responseTokens"),
        *("localMboxes", "localViews", "remoteMboxes", "remoteViews", "rules", "mboxes", "views", "condition", "home"),
        *("consequence", "ruleKey", "activityId", "propertyTokens", "allocation", "mbox.foo", "user.browserType"),
        *("geo.city", "page.url", "page.domain", "current_timestamp", "current_day", "referring.path", "good", "start"),
        *("${campaign.name}", "${mbox.foo}", "activity.id", "offer.id", "experience.id", "audience.ids", "all"),
        *_OPTION_FIELDS,
        *_OPERATORS,
    ],
    "http_request": [*_HEADERS, *_IDS, *_URL],
    "option_url": [*_URL, "socks5h://", "file:///", "*.", ",", "0.0.0.0/0", "::1/64", "user:secret@", ":8080", "%"],
    "page_url": [*_URL, "。", "xn--", ".github.io", "at_preview_token=a", "&at_preview_index=1_2", "&", "mailto:"],
    "reply": [
        *("HTTP/1.1 ", "HTTP/1.0 ", "200 OK\r\n", "100 Continue\r\n\r\n", "204 ", "304 ", "408 "),
        *("Content-Length: ", "Transfer-Encoding: chunked\r\n", "Connection: keep-alive\r\n", "Connection: close\r\n"),
        *("Keep-Alive: timeout=5\r\n", "Content-Encoding: gzip\r\n", "\r\n\r\n", "0\r\n\r\n", ";ext=1", "requestId"),
    ],
    "response": [
        *("status", "client", "id", "tntId", "customerIds", "edgeHost", "execute", "prefetch", "requestId"),
        *("pageLoad", "mboxes", "views", "notifications", "telemetryServerToken", "v.35_0", "</script>"),
        "mboxedge35.tt.omtrdc.net",
        *_OPTION_FIELDS,
    ],
    "rule": [*_OPERATORS, "a", "a.b", "", "current", "accumulator", "__class__", "length", "0", "1.0", "-0", "NaN"],
    "target_cookie": ["session", "PC", "session#a#", "|PC#b.35_0#", "\n35", *_IDS],
    "user_agent": [
        *("Mozilla/5.0", "Chrome/", "Edg/", "OPR/", "Trident/7.0", "MSIE ", "Firefox/", "Safari/", "Version/", "iPad"),
        *("iPhone", "Android ", "; ", " Build/", "Macintosh", "Windows NT", "Opera/9.80", ';v="', '"Chromium"', "\n"),
    ],
    "visitor_cookie": [
        *("AMCV_1234567890%40AdobeOrg=", "AMCV_1234567890@AdobeOrg=", "Cookie: ", "MCMID|", "MCAAMLH-", "MCAAMB-"),
        *("MCAID|", "MCOPTOUT-", "NONE", "s|", *_IDS),
    ],
}  # fmt: skip


def words(name: str) -> List[str]:
    """Return the words of a target."""
    return list(dict.fromkeys(WORDS[name]))


def write_dictionary(name: str, path: Path) -> None:
    """Write the words of a target in the format of libFuzzer."""
    lines = []
    for word in filter(None, words(name)):
        escaped = "".join(f"\\x{byte:02x}" for byte in word.encode("utf-8", "surrogatepass"))
        lines.append(f'"{escaped}"\n')
    path.write_text("".join(lines), encoding="ascii")
