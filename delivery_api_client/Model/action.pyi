from target_python_sdk.types import Action as Action
