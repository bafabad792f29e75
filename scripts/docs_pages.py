"""Hooks for MkDocs: add the version of the SDK to the title of the site, and name the search dialog."""

from typing import Any

from mkdocs.config.defaults import MkDocsConfig

from target_python_sdk.version import __version__


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the title."""
    config.site_name = f"{config.site_name} {__version__}"
    return config


def on_post_page(output: str, **kwargs: Any) -> str:
    """Name the dialog for screen readers. The theme gives it no name."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )
