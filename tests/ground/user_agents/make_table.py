"""Rewrite ``table.tsv`` with the result of ua-parser, in Target's names, for each User-Agent in it.

    python -m tests.ground.user_agents.make_table

The User-Agents are read from the first column of the table. To add one, add a line that contains only the
User-Agent. Comments are kept. ua-parser is independent of the code under test.
"""

import importlib.metadata
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple

TABLE = Path(__file__).with_name("table.tsv")
#: The package with ua-parser's rules. The first line of the table names its version.
RULES_PACKAGE = "ua-parser-builtins"

#: Target's names of browsers by ua-parser's names. On iOS, any other browser is named after its device; on other
#: platforms, it is "unknown".
BROWSERS = {
    "Chrome": "chrome",
    "Chrome Mobile": "chrome",
    "Chrome Mobile WebView": "chrome",
    "Chrome Mobile iOS": "chrome",
    "Chromium": "chrome",
    "HeadlessChrome": "chrome",
    "Edge": "edge",
    "Edge Mobile": "edge",
    "Firefox": "firefox",
    "Firefox Mobile": "firefox",
    "Firefox iOS": "firefox",
    "IE": "ie",
    "IE Mobile": "ie",
    "Opera": "opera",
    "Opera GX": "opera",
    "Opera Mini": "opera",
    "Opera Mobile": "opera",
    "Opera Tablet": "opera",
    "Opera Touch": "opera",
    "Safari": "safari",
}
#: ua-parser's name of Safari on iOS. Target names this browser after its device, but the table has its version.
SAFARI_ON_IOS = "Mobile Safari"
#: Target's names of platforms by ua-parser's names of systems. Any other system is "unknown".
PLATFORMS = {
    "Android": "android",
    "Chrome OS": "linux",
    "Chromecast Linux": "linux",
    "Fedora": "linux",
    "Kindle": "linux",
    "Linux": "linux",
    "Mac OS X": "mac",
    "Sailfish": "linux",
    "Tizen": "linux",
    "Ubuntu": "linux",
    "Web0S": "linux",
    "Windows": "windows",
    "Windows Phone": "windows",
    "iOS": "ios",
}


class Row(NamedTuple):
    """A User-Agent and its browser, version and platform."""

    user_agent: str
    browser: str
    version: int
    platform: str


def read_lines(path: Path) -> Iterator[str]:
    """Return the lines of a table without line endings."""
    return iter(path.read_text(encoding="utf-8").splitlines())


def parse_rows(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of a table."""
    for line in lines:
        if not line.startswith("#"):
            user_agent, browser, version, platform = line.split("\t")
            yield Row(user_agent, browser, int(version), platform)


def parse_user_agent(user_agent: str) -> Row:
    """Return ua-parser's result for a User-Agent, converted to Target's names."""
    import ua_parser  # noqa: PLC0415 - reading the table does not need it

    answer = ua_parser.parse(user_agent)
    family = answer.user_agent.family if answer.user_agent else ""
    major = answer.user_agent.major if answer.user_agent else None
    platform = PLATFORMS.get(answer.os.family if answer.os else "", "unknown")
    version = int(major) if major and family in (*BROWSERS, SAFARI_ON_IOS) else -1
    browser = BROWSERS.get(family, "unknown")
    if platform == "ios" and browser == "unknown":
        browser = "ipad" if answer.device and answer.device.family == "iPad" else "iphone"
    return Row(user_agent, browser, version, platform)


def title() -> str:
    """Return the first line of the table: the version of the rules."""
    return f"# {RULES_PACKAGE} {importlib.metadata.version(RULES_PACKAGE)}"


def render_table(lines: Iterable[str]) -> str:
    """Return a table with the User-Agents and the comments of ``lines``, and the parser's current results."""
    rendered = [title()]
    for line in lines:
        if line.startswith("# " + RULES_PACKAGE):
            continue
        rendered.append(line if line.startswith("#") else "\t".join(map(str, parse_user_agent(line.split("\t")[0]))))
    return "\n".join(rendered) + "\n"


if __name__ == "__main__":
    TABLE.write_text(render_table(read_lines(TABLE)), encoding="utf-8")
