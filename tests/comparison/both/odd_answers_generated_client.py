"""``DeliveryApi.execute`` with the answers of ``odd_answers``."""

from generated_client import ODD, callback_without_async_req, called_back, odd_answer

SCENARIOS = {
    **{"execute, " + name: odd_answer(name) for name in ODD},
    **{
        "execute, with a callback and without async_req, " + name: callback_without_async_req(name)
        for name in ("400", "not JSON")
    },
    **{"execute, called back, " + name: called_back(name) for name in ("400", "503", "204", "not JSON")},
}
