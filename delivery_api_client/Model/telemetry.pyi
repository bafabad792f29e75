from target_python_sdk.types import Telemetry as Telemetry
