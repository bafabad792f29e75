"""Compare this SDK with the published SDK for Node.js, using random calls.

``artifacts.py`` makes an artifact from a seed. The artifact has conditions on every family of attributes, and it has
property tokens, response tokens and macros. ``calls.py`` makes calls of ``get_offers``, ``get_attributes`` and
``send_notifications``, decided on-device, hybrid or by the edge, for mboxes, page loads and views, some with traces.
``worker.js`` runs the calls in the SDK for Node.js, and ``sides.py`` in this one. The clock stands still, and nothing
is sent over the network. ``known_differences.py`` and ``known_forms.py`` list each intended difference with its reason.

A different experience needs a cause: ``causes.py`` makes the call again with a trace, and looks for an attribute that
the rules of the location use and that has different values in the two SDKs.

The comparison needs Node.js 18 or newer, and the SDK in a folder that ``TARGET_NODE_SDK`` names::

    npm install --ignore-scripts --prefix node-sdk @adobe/target-nodejs-sdk@2.4.3
    TARGET_NODE_SDK=node-sdk python -m pytest tests/node_sdk

The second command makes 300 calls. With ``-m fuzz``, it makes 20,000 calls from the seed ``TARGET_NODE_SEED``, and each
entry of the two lists must occur; with ``-s``, the test prints how often each entry occurred.
"""
