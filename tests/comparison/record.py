"""``python -m tests.comparison.record``: record what 1.1.0 does. ``TARGET_SDK_1_1_0`` names its interpreter."""

import os
import sys

from tests.comparison import recording, sides
from tests.comparison.constructions import constructions

#: How many models are compared, and by which dice.
COUNT, SEED = 2600, 6


def main(python: str) -> None:
    """Record scenarios, models, and the surface that they are made from."""
    surface = sides.models(python, [])["surface"]
    recording.write(recording.SURFACE, surface)
    recording.write(recording.MODELS, sides.models(python, constructions(surface, COUNT, SEED))["built"])
    scenarios = {}
    for process in sides.PROCESSES:
        scenarios.update(sides.scenarios(python, process))
    recording.write(recording.SCENARIOS, scenarios)
    sys.stdout.write("{} scenarios and {} models are recorded\n".format(len(scenarios), COUNT))


if __name__ == "__main__":
    if "TARGET_SDK_1_1_0" not in os.environ:
        sys.exit("TARGET_SDK_1_1_0 names no interpreter that has 1.1.0")
    main(os.environ["TARGET_SDK_1_1_0"])
