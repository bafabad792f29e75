"""Compare this SDK with the published SDK for Node.js, by random calls.

``artifacts.py`` makes an artifact from a seed, with conditions on every family of attributes, property tokens, response
tokens and macros. ``calls.py`` makes on-device, hybrid and server-side calls for it, of ``get_offers``,
``get_attributes`` and ``send_notifications``: for mboxes, page loads and views, with traces and notifications.
``worker.js`` runs them in the SDK for Node.js, and ``sides.py`` in this one. The clock stands still, and no request is
sent over the network. ``known_differences.py`` and ``known_forms.py`` list every intended difference with its reason.

An experience that differs needs a cause: ``causes.py`` makes the call again with a trace, and looks for an attribute
that the rules of the location read and that the two SDKs read differently.

The comparison needs Node.js 18 or newer, and the SDK in a folder that ``TARGET_NODE_SDK`` names::

    npm install --ignore-scripts --prefix node-sdk @adobe/target-nodejs-sdk@2.4.3
    TARGET_NODE_SDK=node-sdk python -m pytest tests/node_sdk

This makes 300 calls. With ``-m fuzz`` there are 20,000 calls, and each entry of the lists must occur; ``-s`` shows how
often. Each ``TARGET_NODE_SEED`` makes another 20,000 calls.
"""
