from target_python_sdk.types import MetricType as MetricType
