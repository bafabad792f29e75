"""What every request of the SDK says of itself, whomever it asks."""

from target_python_sdk.version import __version__
from target_tools.service import SDK_NAME

SDK_HEADERS = (
    ("Accept-Encoding", "gzip"),
    ("User-Agent", "{}/{}".format(SDK_NAME, __version__)),
    ("X-EXC-SDK", SDK_NAME),
    ("X-EXC-SDK-Version", __version__),
)
