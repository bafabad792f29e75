"""Texts that 1.1.0 shared between its packages, to the letter."""

from typing import Optional

#: The client has no artifact to decide by yet.
DECISIONING_ENGINE_NOT_READY = "Unable to fulfill request; decisioning engine not ready."


def attribute_not_exist(key_name: object, mbox_name: object) -> str:
    """The text of ``AttributeNotFound``."""
    return "Attribute '{}' does not exist for mbox '{}'".format(key_name, mbox_name)


def property_token_mismatch(request_property: Optional[str], config_property: Optional[str]) -> str:
    """What is wrong with a request whose property is not the client's."""
    return (
        "The property token specified in the request '{}' does not match the one specified in the config '{}'."
    ).format(request_property, config_property)
