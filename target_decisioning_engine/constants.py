"""1.1.0's constants. Changing them has no effect."""

# Artifacts

ENVIRONMENT_PROD = "production"
ENVIRONMENT_STAGE = "staging"
ENVIRONMENT_DEV = "development"
#: This SDK always uses the production CDN; the option ``cdn_base_path`` overrides it.
CDN_BASE_PROD = "assets.adobetarget.com"
CDN_BASE_STAGE = "assets.staging.adobetarget.com"
CDN_BASE_DEV = "assets.staging.adobetarget.com"
CDN_BASE = {
    ENVIRONMENT_PROD: CDN_BASE_PROD,
    ENVIRONMENT_STAGE: CDN_BASE_STAGE,
    ENVIRONMENT_DEV: CDN_BASE_DEV,
}
ARTIFACT_FILENAME = "rules.json"
SUPPORTED_ARTIFACT_MAJOR_VERSION = 1
SUPPORTED_ARTIFACT_OBFUSCATION_VERSION = 1

# Downloads

#: Seconds.
DEFAULT_POLLING_INTERVAL = 300
MINIMUM_POLLING_INTERVAL = 300
NUM_FETCH_RETRIES = 10
HTTP_GET = "GET"
OK = 200
PARTIAL_CONTENT = 206
NOT_MODIFIED = 304
BAD_REQUEST = 400
FORBIDDEN = 403
HTTP_HEADER_FORWARDED_FOR = "x-forwarded-for"
HTTP_HEADER_GEO_LATITUDE = "x-geo-latitude"
HTTP_HEADER_GEO_LONGITUDE = "x-geo-longitude"
HTTP_HEADER_GEO_COUNTRY = "x-geo-country-code"
HTTP_HEADER_GEO_REGION = "x-geo-region-code"
HTTP_HEADER_GEO_CITY = "x-geo-city"

# Rules

CAMPAIGN_BUCKET_SALT = "0"
ACTIVITY_ID = "activity.id"
ACTIVITY_NAME = "activity.name"
ACTIVITY_TYPE = "activity.type"
ACTIVITY_DECISIONING_METHOD = "activity.decisioningMethod"
AUDIENCE_IDS = "audience.ids"
EXPERIENCE_ID = "experience.id"
EXPERIENCE_NAME = "experience.name"
LOCATION_ID = "location.id"
LOCATION_NAME = "location.name"
LOCATION_TYPE = "location.type"
OFFER_ID = "offer.id"
OFFER_NAME = "offer.name"
OPTION_ID = "option.id"
OPTION_NAME = "option.name"
GEO_CITY = "geo.city"
GEO_COUNTRY = "geo.country"
GEO_LATITUDE = "geo.latitude"
GEO_LONGITUDE = "geo.longitude"
GEO_STATE = "geo.state"

LOG_PREFIX = "LD"
