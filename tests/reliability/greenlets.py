"""Calls of many greenlets. Runs in a separate process, because it patches the standard library.

    python -m tests.reliability.greenlets LIBRARY WHEN DOMAIN HUNG_DOMAIN CALLS [CA_FILE]

Prints, as JSON, the outcomes of the calls and how long the loop was blocked.
"""

import importlib
import json
import sys
import time


class Gevent:
    """gevent, with the same interface as ``Eventlet``."""

    def __init__(self):
        self._gevent = importlib.import_module("gevent")
        self.Timeout, self.sleep, self.spawn = self._gevent.Timeout, self._gevent.sleep, self._gevent.spawn
        self.start_timeout = self._gevent.Timeout.start_new

    def patch(self):
        importlib.import_module("gevent.monkey").patch_all()

    def spawn_all(self, function, count, at_once):
        """Run ``function`` in ``count`` greenlets, ``at_once`` at a time. Raise the first exception."""
        pool = importlib.import_module("gevent.pool").Pool(at_once)
        for greenlet in [pool.spawn(function) for _ in range(count)]:
            greenlet.get()


class Eventlet:
    """eventlet, with the same interface as ``Gevent``."""

    def __init__(self):
        self._eventlet = importlib.import_module("eventlet")
        self.Timeout, self.sleep, self.spawn = self._eventlet.Timeout, self._eventlet.sleep, self._eventlet.spawn
        self.start_timeout = self._eventlet.Timeout

    def patch(self):
        self._eventlet.monkey_patch()

    def spawn_all(self, function, count, at_once):
        pool = self._eventlet.GreenPool(at_once)
        for greenlet in [pool.spawn(function) for _ in range(count)]:
            greenlet.wait()


class Pulse:
    """A greenlet that runs every millisecond, and measures how long the event loop is blocked."""

    def __init__(self, green):
        self._green = green
        self.longest = 0.0
        green.spawn(self._beat)

    def _beat(self):
        last = time.monotonic()
        while True:
            self._green.sleep(0.001)
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            last = now

    def longest_block_during(self, function):
        """Return the longest time, in milliseconds, that the event loop was blocked while ``function`` ran."""
        self._green.sleep(0.01)
        self.longest = 0.0
        function()
        self._green.sleep(0.01)
        return self.longest * 1000


def main(library, when, domain, hung_domain, count, ca_file=""):  # noqa: PLR0915, PLR0917 - one scenario in order
    if when == "before":
        green = {"gevent": Gevent, "eventlet": Eventlet}[library]()
        green.patch()
    from target_python_sdk import TargetClient  # noqa: PLC0415 - the order is under test
    from tests.support import content, offers  # noqa: PLC0415

    if when == "after":
        green = {"gevent": Gevent, "eventlet": Eventlet}[library]()
        green.patch()

    options = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": domain, "timeout": 20000}
    options.update({"ca_certs": ca_file} if ca_file else {"secure": False})
    client = TargetClient.create(options)
    pulse = Pulse(green)
    seen = {"answered": 0, "called_back": 0, "timeouts": 0, "unexpected": []}

    def call_blocking():
        assert content(client.get_offers(offers())) == "<b>A</b>"
        seen["answered"] += 1

    def call_and_get():
        received = []
        result = client.get_offers({**offers(), "callback": received.append})
        assert content(result.get(20)) == "<b>A</b>"
        assert received == [result.get()]
        seen["called_back"] += 1

    def call_50_times_and_flush():
        def count_envelope(envelope):
            seen["called_back"] += 1

        for _ in range(50):
            client.get_offers({**offers(), "callback": count_envelope})
        assert client.flush(20000)

    hung = TargetClient.create({**options, "server_domain": hung_domain, "secure": False})

    def expect_timeout(function):
        """Check that a timeout of the green library inside a call reaches the application unchanged."""
        limit = green.start_timeout(0.05)
        try:
            function()
            seen["unexpected"].append("an answer")
        except green.Timeout as raised:
            seen["timeouts"] += raised is limit
        except BaseException as error:  # noqa: BLE001 - it is reported
            seen["unexpected"].append(repr(error))
        finally:
            limit.cancel()

    def time_out_three_times():
        expect_timeout(lambda: hung.get_offers(offers()))
        expect_timeout(lambda: hung.get_offers({**offers(), "callback": print}).get())
        expect_timeout(lambda: hung.flush(20000))

    call_blocking()
    call_and_get()
    # Many calls at a time keep the loop busy, so the delay is measured with two at a time.
    green.spawn_all(call_blocking, int(count), 50)
    green.spawn_all(call_and_get, int(count), 50)
    green.spawn_all(call_blocking, 300, 300)
    seen["longest"] = pulse.longest_block_during(lambda: green.spawn_all(call_blocking, 100, 2))
    seen["longest_with_callback"] = pulse.longest_block_during(lambda: green.spawn_all(call_and_get, 100, 2))
    call_50_times_and_flush()
    seen["longest_hung"] = pulse.longest_block_during(lambda: green.spawn_all(time_out_three_times, 10, 2))
    seen["threads"] = client.stats()["threads"]
    call_blocking()
    call_and_get()
    seen["closed"] = client.close()
    hung.close(0)
    sys.stdout.write(json.dumps(seen))
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
