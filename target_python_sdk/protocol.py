"""Names and limits of the Delivery API, and the headers that identify the SDK."""

from target_python_sdk.version import __version__

# Cookies

#: The first-party cookie with the session id and the device id.
TARGET_COOKIE = "mbox"
#: The cookie that names the edge cluster with the visitor's profile, so that the next call goes to that cluster.
LOCATION_HINT_COOKIE = "mboxEdgeCluster"
#: The prefix of the Experience Cloud visitor's cookie; the organization id follows.
VISITOR_COOKIE_PREFIX = "AMCV_"
#: The parts inside the ``mbox`` cookie.
SESSION_ID_COOKIE = "session"
DEVICE_ID_COOKIE = "PC"
#: The maximum ages of the session, the device id and the location hint in seconds: 31 minutes, 732 days, 31 minutes.
SESSION_ID_MAX_AGE = 1860
DEVICE_ID_MAX_AGE = 63244800
LOCATION_HINT_MAX_AGE = 1860

# Hosts

#: ``{client}.tt.omtrdc.net`` and ``mboxedge{cluster}.tt.omtrdc.net`` answer delivery requests.
EDGE_HOST_SUFFIX = "tt.omtrdc.net"
EDGE_CLUSTER_PREFIX = "mboxedge"
DELIVERY_PATH = "/rest/v1/delivery"

# Locations

#: The mbox of a page load; also the default consumer of the supplemental data id.
DEFAULT_GLOBAL_MBOX = "target-global-mbox"

# Headers

SDK_NAME = "AdobeTargetPython"
#: Sent with every request of the SDK.
SDK_HEADERS = (
    ("Accept-Encoding", "gzip"),
    ("User-Agent", f"{SDK_NAME}/{__version__}"),
    ("X-EXC-SDK", SDK_NAME),
    ("X-EXC-SDK-Version", __version__),
)
