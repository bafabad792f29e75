"""Every defect of 1.1.0 that is mended has a test named after its number."""

import re

#: All but those of telemetry and of the visitor.
MENDED = [number for number in range(1, 71) if number not in (28, 57)]


def test_every_mended_defect_has_a_test_named_after_it(root):
    found = set()
    for file in (root / "tests").rglob("test_*.py"):
        found.update(int(number) for number in re.findall(r"^def test_b(\d+)_", file.read_text(encoding="utf-8"), re.M))
    assert [number for number in MENDED if number not in found] == []
