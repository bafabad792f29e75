"""A hook for MkDocs that adds the version of the SDK to the title of the site."""

from mkdocs.config.defaults import MkDocsConfig

from target_python_sdk.version import __version__


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the title."""
    config.site_name = f"{config.site_name} {__version__}"
    return config
