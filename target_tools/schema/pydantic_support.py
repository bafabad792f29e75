"""Lets pydantic, and so FastAPI, validate and serialize our types. Imported only when pydantic asks for a schema."""

from typing import Any, Callable

from pydantic_core import core_schema


def schema_for(cls: type, load: Callable[[Any], Any], dump: Callable[[Any], Any]) -> core_schema.CoreSchema:
    """Return a schema that accepts instances of ``cls`` unchanged and reads other values with ``load``."""

    def validate(value: Any) -> Any:
        return value if isinstance(value, cls) else load(value)

    serialization = core_schema.plain_serializer_function_ser_schema(dump, return_schema=core_schema.dict_schema())
    return core_schema.no_info_plain_validator_function(validate, serialization=serialization)
