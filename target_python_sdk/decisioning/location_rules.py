"""The rules of the mboxes, or of the views, of an artifact. Most of them stay text until they are needed."""

from random import Random
from typing import Dict, FrozenSet, Iterable, Iterator, List, Mapping, Tuple

from target_python_sdk.decisioning.rule import CompiledRule, RuleSource
from target_tools.json_reader import JsonReader, Turn

Rules = Tuple[CompiledRule, ...]

#: The maximum number of rules that stay compiled, separately for the mboxes and for the views of an artifact.
MAX_COMPILED = 4096
#: An mbox or view with more rules stays compiled after loading: compiling it at its first use would take too long.
MAX_DEFERRED = 8
#: The objects around the rules of a location: the document, ``rules``, and ``mboxes`` or ``views``.
_LEVELS_AROUND = 3
#: ``_make_room`` frees a 64th of ``MAX_COMPILED`` more than needed, so that it runs less often, because it is slow.
_ROOM = 64
#: Of this many locations, chosen at random, the one with the fewest rules is dropped.
_CANDIDATES = 4


class LocationRules(Mapping[str, Rules]):
    """Rules in order of priority, by mbox or view.

    Compiles the rules of a location when they are first needed, and keeps at most ``MAX_COMPILED`` rules, or the rules
    of one location if it has more. Threads share it without locks: at worst, two of them compile the same rules.
    """

    __slots__ = ("_compiled", "_positions", "_random", "_room", "_source", "is_empty", "skipped")

    def __init__(self, source: RuleSource) -> None:
        self._source = source
        #: The position of each location's rules in the text.
        self._positions: Dict[str, int] = {}
        self._compiled: Dict[str, Rules] = {}
        #: How many rules can still be compiled; approximate, because threads share it.
        self._room = MAX_COMPILED
        self._random = Random(0)
        #: Whether no location has a rule.
        self.is_empty = True
        #: The messages about skipped rules, by location.
        self.skipped: Dict[str, List[str]] = {}

    def load(self, reader: JsonReader) -> None:
        """Read the next object, the rules by location, and check each rule."""
        for name in reader.members():
            skipped: List[str] = []
            position = reader.position()
            rules = self._source.compile_rules(reader, name, skipped)
            self._forget(name)
            self._positions[name] = position
            if skipped:
                self.skipped[name] = skipped
            if rules or skipped:
                self.is_empty = False
            if MAX_DEFERRED < len(rules) <= self._room:
                self._keep(name, rules)

    def known_names(self, names: Iterable[str]) -> FrozenSet[str]:
        """Return ``names`` as a set that shares the strings of known locations, to save memory."""
        known = {name: name for name in self._positions}
        return frozenset(known.get(name, name) for name in names)

    def prepare(self, previous: "LocationRules") -> None:
        """Compile the locations that ``previous`` has compiled, so that no call has to."""
        turn = Turn()
        for name in list(previous._compiled):
            self.get(name)
            turn.pause_if_over()

    def get(self, name: str, default: Rules = ()) -> Rules:  # type: ignore[override]
        """Return the rules of a location, by default none."""
        rules = self._compiled.get(name)
        if rules is None:
            position = self._positions.get(name)
            return default if position is None else self._compile(name, position)
        return rules

    def __getitem__(self, name: str) -> Rules:
        rules = self._compiled.get(name)
        return self._compile(name, self._positions[name]) if rules is None else rules

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)

    def _compile(self, name: str, position: int) -> Rules:
        skipped: List[str] = []
        rules = self._source.compile_rules(self._source.reader(position, _LEVELS_AROUND), name, skipped)
        if len(skipped) != len(self.skipped.get(name, ())):
            raise RecursionError("too little of the stack is left to read the rules of an mbox or a view")
        if len(rules) > self._room:
            self._make_room(len(rules))
        self._keep(name, rules)
        return rules

    def _keep(self, name: str, rules: Rules) -> None:
        self._compiled[name] = rules
        self._room -= len(rules)

    def _forget(self, name: str) -> None:
        """Forget the rules of a location that occurs again: the last of several entries with the same name counts."""
        self.skipped.pop(name, None)
        self._room += len(self._compiled.pop(name, ()))

    def _make_room(self, needed: int) -> None:
        """Drop compiled rules of random locations, because calls do not record which ones they use.

        A location that is used often is soon compiled again. Locations with many rules are dropped last.
        """
        compiled = self._compiled
        names = list(compiled)
        self._room = MAX_COMPILED - sum(len(compiled.get(name, ())) for name in names)
        while names and self._room < needed + MAX_COMPILED // _ROOM:
            candidates = self._random.choices(range(len(names)), k=_CANDIDATES)
            index = min(candidates, key=lambda index: len(compiled.get(names[index], ())))
            names[index], names[-1] = names[-1], names[index]
            self._room += len(compiled.pop(names.pop(), ()))
