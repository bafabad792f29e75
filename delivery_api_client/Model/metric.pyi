from target_python_sdk.types import Metric as Metric
