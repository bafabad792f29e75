"""Hooks for MkDocs: the version in the title of the site, options in one piece, and a name for the search dialog."""

import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig

from target_python_sdk.version import __version__


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the title."""
    config.site_name = f"{config.site_name} {__version__}"
    return config


def on_page_content(html: str, **kwargs: Any) -> str:
    """Keep the names of command-line options in one piece: browsers break lines after each hyphen."""
    return re.sub(r"<code>(--[\w-]+)", r'<code><span class="unbroken">\1</span>', html)


def on_post_page(output: str, **kwargs: Any) -> str:
    """Name the dialog for screen readers. The theme gives it no name."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )
