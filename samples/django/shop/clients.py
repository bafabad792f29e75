"""The client of the shop. The setting ``TARGET`` names it."""

import os

from target_python_sdk import TargetClient

target_client = TargetClient.create(
    client="acmeclient",
    organization_id="1234567890@AdobeOrg",
    server_domain=os.environ["TARGET_SERVER_DOMAIN"],
    secure=False,  # the edge is on this machine
    timeout=1000,
)
