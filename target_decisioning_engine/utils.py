"""1.1.0's helper functions for configurations, artifacts and URLs."""

from typing import Any, Dict, Mapping, Optional

from target_decisioning_engine.constants import CDN_BASE_PROD, ENVIRONMENT_PROD
from target_decisioning_engine.types.decisioning_config import DecisioningConfig
from target_python_sdk.artifact.location import artifact_url, cdn_url
from target_python_sdk.decisioning.context import URL_PARTS
from target_tools.page_url import PageUrl


def get_rule_key(rule: Mapping[str, Any]) -> Any:
    """Return the key that the rules of one activity share."""
    return rule.get("ruleKey")


def parse_url(url: Optional[str]) -> Dict[str, Optional[str]]:
    """Return the parts of a URL, by the names that the conditions of rules use."""
    page_url = PageUrl(url)
    return {**{name: getattr(page_url, attribute) for name, attribute in URL_PARTS.items()}, "url": url}


def match_major_version(semantic_version: str, major_version: int) -> bool:
    """Return whether a version such as ``2.1.0`` has the given major version."""
    return semantic_version.partition(".")[0] == str(major_version)


def get_valid_environment(environment_name: Optional[str]) -> str:
    """Return the name of the environment in lower case, by default ``production``."""
    return (environment_name or ENVIRONMENT_PROD).lower()


def get_target_environment(config: DecisioningConfig) -> str:
    """Return the name of the environment whose artifact the engine uses."""
    return get_valid_environment(config.environment)


def get_cdn_environment(config: DecisioningConfig) -> str:
    """Return the name of the CDN's environment."""
    return get_valid_environment(config.cdn_environment)


def get_cdn_base_path(config: DecisioningConfig) -> str:
    """Return the URL of the CDN."""
    return cdn_url(config.cdn_base_path or CDN_BASE_PROD, True, "")


def get_geo_lookup_path(config: DecisioningConfig) -> str:
    """Return the URL of the geo lookup."""
    return get_cdn_base_path(config) + "/v1/geo"


def determine_artifact_location(config: DecisioningConfig) -> str:
    """Return the URL of the artifact for a configuration without ``artifact_location``."""
    return artifact_url(
        client=config.client,
        environment=get_target_environment(config),
        property_token=config.property_token,
        obfuscated=False,
        cdn_base_path=config.cdn_base_path or CDN_BASE_PROD,
        secure=True,
    )
