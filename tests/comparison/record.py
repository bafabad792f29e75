"""``python -m tests.comparison.record``: record what 1.1.0 does. ``TARGET_SDK_1_1_0`` names its interpreter."""

import os
import sys

from tests.comparison import recording, sides
from tests.comparison.constructions import constructions

#: The number of models, and the seed of their constructions.
COUNT, SEED = 2600, 6


def main(python: str) -> None:
    """Record the scenarios, the models, and the declarations of the model classes."""
    surface = sides.models(python, [])["surface"]
    recording.write(recording.SURFACE, surface)
    recording.write(recording.MODELS, sides.models(python, constructions(surface, COUNT, SEED))["built"])
    scenarios = {}
    for process in sides.PROCESSES:
        scenarios.update(sides.scenarios(python, process))
    recording.write(recording.SCENARIOS, scenarios)
    sys.stdout.write(f"recorded {len(scenarios)} scenarios and {COUNT} models\n")


if __name__ == "__main__":
    if "TARGET_SDK_1_1_0" not in os.environ:
        sys.exit("TARGET_SDK_1_1_0 is not set: it names an interpreter with 1.1.0")
    main(os.environ["TARGET_SDK_1_1_0"])
