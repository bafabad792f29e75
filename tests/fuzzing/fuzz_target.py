"""The process that fuzzes one target with atheris, with the options of libFuzzer."""

import logging
import sys
from typing import List

import atheris

with atheris.instrument_imports(include=["target_tools", "target_python_sdk"]):
    from tests.fuzzing.targets import TARGETS

from tests.fuzzing.calls import limited_time
from tests.fuzzing.dictionaries import words
from tests.fuzzing.json_mutation import json_mutator


def main(name: str, options: List[str]) -> None:
    """Fuzz the target until it fails or the time is over. libFuzzer ends the process."""
    logging.getLogger("adobe.target").addHandler(logging.NullHandler())
    target = TARGETS[name]

    def check(data: bytes) -> None:
        with limited_time():
            target.check(data)

    mutator = {"custom_mutator": json_mutator(words(name), atheris.Mutate)} if target.is_json else {}
    atheris.Setup([sys.argv[0], *options], check, **mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
