"""The names of 1.1.0's measurements. They are not used."""

TIMING_ARTIFACT_DOWNLOADED_FETCH = "artifactDownloaded_fetch"
TIMING_ARTIFACT_DOWNLOADED_TOTAL = "artifactDownloaded_total"
TIMING_ARTIFACT_GET_INITIAL = "artifactGetInitial"
TIMING_ARTIFACT_READ_JSON = "artifactDownloaded_read_JSON"
TIMING_GET_OFFER = "get_offer"
