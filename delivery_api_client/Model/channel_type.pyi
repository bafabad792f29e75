from target_python_sdk.types import ChannelType as ChannelType
