"""The values of a client's attributes ``config`` and ``decisioning_engine``, which exist for applications of 1.1.0.

They show the current state, and do not keep the client alive.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Mapping, Optional

if TYPE_CHECKING:  # for annotations only
    from target_python_sdk.artifact.source import ArtifactSource


class ClientConfig(Mapping[str, Any]):
    """The options of a client, with 1.1.0's defaults and the cluster that the client currently uses.

    The options of a client cannot be changed.
    """

    def __init__(self, options: Mapping[str, Any], location_hint: Callable[[], Optional[str]]) -> None:
        self._options = options
        self._location_hint = location_hint

    def __getitem__(self, key: str) -> Any:
        return self._current_values()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._current_values())

    def __len__(self) -> int:
        return len(self._current_values())

    def __repr__(self) -> str:
        return f"<config of {self._options.get('client')}: {', '.join(self)}>"  # the values may be secret

    def _current_values(self) -> Dict[str, Any]:
        config = {"internal": True, "decisioning_method": "server-side", "timeout": 3000, **self._options}
        hint = self._location_hint()
        return config if hint is None else {**config, "target_location_hint": hint}


class DecisioningEngine:
    """The on-device decisioning of a client, with the methods that 1.1.0's applications use."""

    def __init__(self, source: Callable[[], "Optional[ArtifactSource]"]) -> None:
        self._source = source

    def is_ready(self) -> bool:
        """Return whether an artifact is available."""
        source = self._source()
        return source is not None and source.artifact is not None

    def get_raw_artifact(self) -> Optional[Dict[str, Any]]:
        """Return the JSON document of the artifact, or None if there is no artifact. Do not change it."""
        source = self._source()
        artifact = None if source is None else source.artifact
        return None if artifact is None else dict(artifact.document())

    def stop_polling(self) -> None:
        """Stop polling. This is not necessary before the process exits."""
        source = self._source()
        if source is not None:
            source.stop()
