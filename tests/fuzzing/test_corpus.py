"""Check each input of the corpus with its target. Inputs that broke a property stay in the corpus."""

import json
from pathlib import Path
from typing import List

import pytest

from tests.fuzzing import CORPUS
from tests.fuzzing.calls import limited_time
from tests.fuzzing.dictionaries import WORDS
from tests.fuzzing.json_mutation import json_mutator
from tests.fuzzing.targets import TARGETS

#: The maximum size of all inputs together, in bytes.
MAX_CORPUS = 300_000


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_breaks_no_property(name: str) -> None:
    inputs = sorted((CORPUS / name).iterdir())
    assert len(inputs) > 3
    for path in inputs:
        try:
            with limited_time():
                TARGETS[name].check(path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path} breaks a property of the target {name}") from error


def test_each_target_has_a_small_corpus_and_words() -> None:
    assert sorted(folder.name for folder in CORPUS.iterdir()) == sorted(TARGETS) == sorted(WORDS)
    assert sum(file.stat().st_size for file in _inputs()) < MAX_CORPUS


def _inputs() -> List[Path]:
    return [file for file in CORPUS.rglob("*") if file.is_file()]


def test_mutations_of_a_document_are_mostly_json() -> None:
    document, mutate = b'{"a":[1,true,"x",{"b":null}],"c":"d"}', json_mutator(["a", "name"])
    results = {mutate(document, 100, seed) for seed in range(500)}
    valid = [each for each in results if is_json(each)]
    assert len(valid) > 200
    assert len(valid) < len(results)
    assert max(map(len, results)) <= 100
    assert mutate(document, 100, 1) == mutate(document, 100, 1)


def is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True
