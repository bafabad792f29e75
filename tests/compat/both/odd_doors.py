"""``DeliveryApi.execute``, met with the answers of ``odd_answers``."""

from doors import ODD, called_back, odd

SCENARIOS = {
    **{"execute, " + name: odd(name) for name in ODD},
    **{"execute, called back, " + name: called_back(name) for name in ("400", "503", "204", "not JSON")},
}
