"""Name what the LTI 1.3, Deep Linking 2.0 and AGS 2.0 documents name by address."""

_LTI = "https://purl.imsglobal.org/spec/lti/claim/"
VERSION_CLAIM = _LTI + "version"
MESSAGE_TYPE = _LTI + "message_type"
DEPLOYMENT = _LTI + "deployment_id"
TARGET = _LTI + "target_link_uri"
RESOURCE_LINK = _LTI + "resource_link"
ROLES = _LTI + "roles"
CONTEXT = _LTI + "context"
CUSTOM = _LTI + "custom"
PLATFORM = _LTI + "tool_platform"
PRESENTATION = _LTI + "launch_presentation"
FOR_USER = _LTI + "for_user"

_DEEP = "https://purl.imsglobal.org/spec/lti-dl/claim/"
DEEP_SETTINGS = _DEEP + "deep_linking_settings"
DEEP_ITEMS = _DEEP + "content_items"
DEEP_DATA = _DEEP + "data"

_AGS = "https://purl.imsglobal.org/spec/lti-ags/"
ENDPOINT = _AGS + "claim/endpoint"
SCOPE_LINE_ITEM = _AGS + "scope/lineitem"
SCOPE_LINE_ITEM_READ = _AGS + "scope/lineitem.readonly"
SCOPE_RESULT_READ = _AGS + "scope/result.readonly"
SCOPE_SCORE = _AGS + "scope/score"
SCOPES = (SCOPE_LINE_ITEM, SCOPE_LINE_ITEM_READ, SCOPE_RESULT_READ, SCOPE_SCORE)

SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"
RESULTS_TYPE = "application/vnd.ims.lis.v2.resultcontainer+json"
LINE_ITEM_TYPE = "application/vnd.ims.lis.v2.lineitem+json"

TOOL_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"
PLATFORM_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-platform-configuration"
CANVAS_SUBMISSION = "https://canvas.instructure.com/lti/submission"

VERSION = "1.3.0"
RESOURCE_LINK_REQUEST = "LtiResourceLinkRequest"
DEEP_LINKING_REQUEST = "LtiDeepLinkingRequest"
DEEP_LINKING_RESPONSE = "LtiDeepLinkingResponse"
REVIEW_REQUEST = "LtiSubmissionReviewRequest"

MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership"
"""Roles in the course at hand; those of an institution say nothing about it."""
ADMINISTRATORS = (
    "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator",
    "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator",
)
