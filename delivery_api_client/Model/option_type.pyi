from target_python_sdk.types import OptionType as OptionType
