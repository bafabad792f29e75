"""What 1.1.0's engine worked out of configurations, artifacts and URLs.

What an engine computes it by is read with the first use: it is more than all of this package.
"""

from typing import Any, Dict, Mapping, Optional

from target_decisioning_engine.constants import CDN_BASE_PROD, ENVIRONMENT_PROD
from target_decisioning_engine.types.decisioning_config import DecisioningConfig


def get_rule_key(rule: Mapping[str, Any]) -> Any:
    """What the rules of one activity have in common."""
    return rule.get("ruleKey")


def parse_url(url: Optional[str]) -> Dict[str, Optional[str]]:
    """The parts of a URL, by the names rules know them by."""
    from target_tools.page_url import PageUrl  # noqa: PLC0415 - see above

    address = PageUrl(url)
    return {
        "url": url,
        "path": address.path,
        "query": address.query,
        "fragment": address.fragment,
        "domain": address.domain,
        "subdomain": address.subdomain,
        "topLevelDomain": address.top_level_domain,
    }


def match_major_version(semantic_version: str, major_version: int) -> bool:
    """Whether ``2.1.0`` is a version 2."""
    return semantic_version.partition(".")[0] == str(major_version)


def get_valid_environment(environment_name: Optional[str]) -> str:
    """The environment of that name, in lower case; without one it is ``production``."""
    return (environment_name or ENVIRONMENT_PROD).lower()


def get_target_environment(config: DecisioningConfig) -> str:
    """Whose artifact an engine of ``config`` decides by."""
    return get_valid_environment(config.environment)


def get_cdn_environment(config: DecisioningConfig) -> str:
    """The environment of the CDN that ``config`` names."""
    return get_valid_environment(config.cdn_environment)


def get_cdn_base_path(config: DecisioningConfig) -> str:
    """The URL of the CDN that an engine of ``config`` asks."""
    from target_python_sdk.artifact.location import cdn_url  # noqa: PLC0415 - see above

    return cdn_url(config.cdn_base_path or CDN_BASE_PROD, True, "")


def get_geo_lookup_path(config: DecisioningConfig) -> str:
    """The URL where it is asked for the place of an IP address."""
    return get_cdn_base_path(config) + "/v1/geo"


def determine_artifact_location(config: DecisioningConfig) -> str:
    """The URL of the artifact, where ``artifact_location`` names no other."""
    from target_python_sdk.artifact.location import artifact_url  # noqa: PLC0415 - see above

    return artifact_url(
        client=config.client,
        environment=get_target_environment(config),
        property_token=config.property_token,
        obfuscated=False,
        cdn_base_path=config.cdn_base_path or CDN_BASE_PROD,
        secure=True,
    )
