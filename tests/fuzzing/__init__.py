"""Coverage-guided fuzzing: targets that check a property for any input, and the inputs that reach all of their code.

``python -m tests.fuzzing`` fuzzes with atheris; ``test_corpus.py`` replays the corpus without it.
"""

from pathlib import Path

#: One folder of inputs for each target.
CORPUS = Path(__file__).resolve().parent / "corpus"
#: Generated inputs, and those that broke a property. They are kept for the next run.
GENERATED = CORPUS.parents[2] / ".fuzzing"
