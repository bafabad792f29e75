"""1.1.0's names of an engine's events.

``target_python_sdk.events`` defines the same names. This module does not import it, because that would load urllib3.
"""

ARTIFACT_DOWNLOAD_SUCCEEDED = "artifact_download_succeeded"
ARTIFACT_DOWNLOAD_FAILED = "artifact_download_failed"
GEO_LOCATION_UPDATED = "geo_location_updated"
