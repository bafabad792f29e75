"""Compare random calls with the SDK for Node.js, as it is published.

``artifacts.py`` makes an artifact from a seed, and ``calls.py`` makes calls for it: conditions on every family of
attributes; mboxes, page loads and views; property and response tokens, macros, traces, notifications,
``get_attributes`` and hybrid calls. ``worker.js`` makes them with the SDK for Node.js, and ``sides.py`` with this one.
The clock stands still, and no request leaves the process. ``known_differences.py`` lists every intended difference with
its reason.

An experience that differs needs a cause: ``causes.py`` makes the call again with a trace, and looks for an attribute
that the rules of the location read and that the two SDKs read differently.

The tests need Node.js 18 or newer, and the SDK in a folder that ``TARGET_NODE_SDK`` names::

    npm install --ignore-scripts --prefix node-sdk @adobe/target-nodejs-sdk@2.4.3
    TARGET_NODE_SDK=node-sdk python -m pytest tests/node_sdk

This makes 300 calls. With ``-m fuzz`` there are 20,000 calls; then each entry of the list must occur, too. ``-s`` shows
how often. ``TARGET_NODE_SEED`` makes other calls.
"""
