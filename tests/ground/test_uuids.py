"""Random UUIDs and supplemental data ids."""

import os
import re
import uuid

from target_tools import uuids
from target_tools.uuids import UuidGenerator


def test_uuids_are_random_and_of_version_4():
    generated = [UuidGenerator() for _ in range(50)]
    ids = [generator.next() for generator in generated for _ in range(20)]
    assert len(set(ids)) == 1000
    for text in ids:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_supplemental_data_ids_are_random():
    ids = UuidGenerator()
    found = [ids.next_data_id() for _ in range(100)]
    assert len(set(found)) == 100
    assert all(re.fullmatch(r"[0-9A-F]{16}-[0-9A-F]{16}", text) for text in found)


def test_random_bytes_come_from_urandom_if_getrandom_is_not_allowed(monkeypatch):
    def refuse(size):
        raise PermissionError

    monkeypatch.setattr(os, "getrandom", refuse, raising=False)
    assert uuids._find_random_bytes() is os.urandom
    monkeypatch.delattr(os, "getrandom")
    assert uuids._find_random_bytes() is os.urandom
