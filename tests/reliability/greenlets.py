"""Calls of many greenlets; run as a process of its own, which patches the standard library.

    python -m tests.reliability.greenlets LIBRARY WHEN DOMAIN HUNG_DOMAIN CALLS [CA_FILE]

Prints, as JSON, what the calls came to and how long the loop stood still.
"""

import importlib
import json
import sys
import time


class Gevent:
    """gevent, by the names that are used here."""

    def __init__(self):
        self._gevent = importlib.import_module("gevent")
        self.Timeout, self.sleep, self.spawn = self._gevent.Timeout, self._gevent.sleep, self._gevent.spawn
        self.start_timeout = self._gevent.Timeout.start_new

    def patch(self):
        importlib.import_module("gevent.monkey").patch_all()

    def each(self, act, count, at_once):
        """Run ``act`` in that many greenlets, so many at once; any of their exceptions is raised."""
        pool = importlib.import_module("gevent.pool").Pool(at_once)
        for one in [pool.spawn(act) for _ in range(count)]:
            one.get()


class Eventlet:
    """eventlet, by the same names."""

    def __init__(self):
        self._eventlet = importlib.import_module("eventlet")
        self.Timeout, self.sleep, self.spawn = self._eventlet.Timeout, self._eventlet.sleep, self._eventlet.spawn
        self.start_timeout = self._eventlet.Timeout

    def patch(self):
        self._eventlet.monkey_patch()

    def each(self, act, count, at_once):
        pool = self._eventlet.GreenPool(at_once)
        for one in [pool.spawn(act) for _ in range(count)]:
            one.wait()


class Pulse:
    """A greenlet that wants to run every millisecond, and how long it had to wait at most."""

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

    def since(self, act):
        """The longest stand-still, in milliseconds, while ``act`` runs."""
        self._green.sleep(0.01)
        self.longest = 0.0
        act()
        self._green.sleep(0.01)
        return self.longest * 1000


def main(library, when, domain, hung_domain, count, ca_file=""):  # noqa: PLR0915, PLR0917 - one scenario, told in order
    if when == "before":
        green = {"gevent": Gevent, "eventlet": Eventlet}[library]()
        green.patch()
    from target_python_sdk import TargetClient  # noqa: PLC0415 - the order is what is tested
    from tests.support import content, offers  # noqa: PLC0415

    if when == "after":
        green = {"gevent": Gevent, "eventlet": Eventlet}[library]()
        green.patch()

    options = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": domain, "timeout": 20000}
    options.update({"ca_certs": ca_file} if ca_file else {"secure": False})
    client = TargetClient.create(options)
    pulse = Pulse(green)
    seen = {"answered": 0, "called_back": 0, "timeouts": 0, "foreign": []}

    def sync():
        assert content(client.get_offers(offers())) == "<b>A</b>"
        seen["answered"] += 1

    def back():
        told = []
        result = client.get_offers({**offers(), "callback": told.append})
        assert content(result.get(20)) == "<b>A</b>"
        assert told == [result.get()]
        seen["called_back"] += 1

    def nobody_waits():
        def count_it(envelope):
            seen["called_back"] += 1

        for _ in range(50):
            client.get_offers({**offers(), "callback": count_it})
        assert client.flush(20000)

    hung = TargetClient.create({**options, "server_domain": hung_domain, "secure": False})

    def timed_out(act):
        """A time-out of the host's own library inside a call reaches the host as it is."""
        limit = green.start_timeout(0.05)
        try:
            act()
            seen["foreign"].append("an answer")
        except green.Timeout as raised:
            seen["timeouts"] += raised is limit
        except BaseException as error:  # noqa: BLE001 - it is reported
            seen["foreign"].append(repr(error))
        finally:
            limit.cancel()

    def waits():
        timed_out(lambda: hung.get_offers(offers()))
        timed_out(lambda: hung.get_offers({**offers(), "callback": print}).get())
        timed_out(lambda: hung.flush(20000))

    sync()
    back()
    # Fifty at once, then all that come; those keep the loop busy by themselves, so a few measure how long it waits.
    green.each(sync, int(count), 50)
    green.each(back, int(count), 50)
    green.each(sync, 300, 300)
    seen["longest"] = pulse.since(lambda: green.each(sync, 100, 2))
    seen["longest_back"] = pulse.since(lambda: green.each(back, 100, 2))
    nobody_waits()
    seen["longest_hung"] = pulse.since(lambda: green.each(waits, 10, 2))
    seen["threads"] = client.stats()["threads"]
    sync()
    back()
    seen["closed"] = client.close()
    hung.close(0)
    sys.stdout.write(json.dumps(seen))
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
