from target_python_sdk.types import DeviceType as DeviceType
