"""The configuration, the requests and the responses of 1.1.0's engine."""

from target_decisioning_engine.types import decision_provider_response as decision_provider_response
from target_decisioning_engine.types import decisioning_artifact as decisioning_artifact
from target_decisioning_engine.types import decisioning_config as decisioning_config
from target_decisioning_engine.types import decisioning_context as decisioning_context
from target_decisioning_engine.types import target_delivery_request as target_delivery_request
