"""Coverage-guided fuzzing: targets that check a property for any input, and the inputs that reach all of their code.

``python -m tests.fuzzing`` fuzzes with atheris; ``test_corpus.py`` replays the corpus without it.
"""
