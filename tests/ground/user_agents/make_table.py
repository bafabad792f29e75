"""Writes ``table.tsv`` anew: what ua-parser says of each User-Agent in it, in Target's names.

    python -m tests.ground.user_agents.make_table

The User-Agents are the table's own first column, so a new one is added as a line that
holds nothing else; comments stay where they are.  ua-parser has an opinion of its own
about every one of them, so the table is no echo of the code that is tested with it.
"""

import importlib.metadata
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple

TABLE = Path(__file__).with_name("table.tsv")
#: The part of ua-parser that knows the browsers; its version is the table's first line.
KNOWLEDGE = "ua-parser-builtins"

#: The parser's families that are one of Target's browsers; all others are unknown, or the device on iOS.
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
    "Mobile Safari": "mobile safari",
    "Opera": "opera",
    "Opera GX": "opera",
    "Opera Mini": "opera",
    "Opera Mobile": "opera",
    "Opera Tablet": "opera",
    "Opera Touch": "opera",
    "Safari": "safari",
}
#: The parser's systems that are one of Target's platforms; all others are unknown.
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
    """A User-Agent, and what is said of it."""

    user_agent: str
    browser: str
    version: int
    platform: str


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a table, without their ends."""
    return iter(path.read_text(encoding="utf-8").splitlines())


def rows_of(lines: Iterable[str]) -> Iterator[Row]:
    """The rows of a table that is written."""
    for line in lines:
        if not line.startswith("#"):
            user_agent, browser, version, platform = line.split("\t")
            yield Row(user_agent, browser, int(version), platform)


def ask_the_parser(user_agent: str) -> Row:
    """What ua-parser says of a User-Agent, in Target's names."""
    import ua_parser  # noqa: PLC0415 - who only reads the table needs no parser

    answer = ua_parser.parse(user_agent)
    family = answer.user_agent.family if answer.user_agent else ""
    major = answer.user_agent.major if answer.user_agent else None
    platform = PLATFORMS.get(answer.os.family if answer.os else "", "unknown")
    if family in BROWSERS:
        return Row(user_agent, BROWSERS[family], int(major) if major else -1, platform)
    browser = "unknown"
    if platform == "ios":
        browser = "ipad" if answer.device and answer.device.family == "iPad" else "iphone"
    return Row(user_agent, browser, -1, platform)


def title() -> str:
    """The first line of a table that is made here: whose answers it holds."""
    return f"# {KNOWLEDGE} {importlib.metadata.version(KNOWLEDGE)}"


def table_made_of(lines: Iterable[str]) -> str:
    """The text of a table with the same User-Agents and comments, and the parser's answers of today."""
    made = [title()]
    for line in lines:
        if line.startswith("# " + KNOWLEDGE):
            continue
        made.append(line if line.startswith("#") else "\t".join(map(str, ask_the_parser(line.split("\t")[0]))))
    return "\n".join(made) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table_made_of(lines_of(TABLE)), encoding="utf-8")
