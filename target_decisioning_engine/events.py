"""The names of the events that an engine tells of."""

ARTIFACT_DOWNLOAD_SUCCEEDED = "artifact_download_succeeded"
ARTIFACT_DOWNLOAD_FAILED = "artifact_download_failed"
GEO_LOCATION_UPDATED = "geo_location_updated"
