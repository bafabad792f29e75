"""The exports of ``delivery_api_client`` and ``target_python_sdk.types``, and the docstrings of the types."""

import ast

import pytest

import delivery_api_client
import target_python_sdk.types
from target_tools import errors

NAMES_OF_1_1_0 = """
Action Address AnalyticsPayload AnalyticsRequest AnalyticsResponse ApiException ApiKeyError ApiTypeError ApiValueError
Application AudienceManager AuthenticatedState Browser ChannelType Context CustomerId DecisioningMethod DeliveryRequest
DeliveryResponse DeviceType ExecuteRequest ExecuteResponse ExperienceCloud Geo LoggingType MboxRequest MboxRequestAllOf
MboxResponse Metric MetricType MobilePlatform MobilePlatformType ModelProperty Notification NotificationAllOf
NotificationMbox NotificationPageLoad NotificationResponse NotificationView OpenApiException Option OptionType Order
PageLoadResponse PrefetchMboxResponse PrefetchMboxResponseAllOf PrefetchRequest PrefetchResponse Preview Product QAMode
QAModePreviewIndex RequestDetails Screen ScreenOrientationType Telemetry TelemetryEntry TelemetryFeatures Trace
UnexpectedError View ViewRequest ViewRequestAllOf VisitorId Window
""".split()  # noqa: SIM905  a list of 65 literals would be two pages

NEWER_NAMES = ["ClientHints", "ExecutionMode", "TelemetryRequest"]

#: The transport classes of 1.1.0. Like ``DecisioningMethod``, they are defined in ``delivery_api_client``.
TRANSPORT_NAMES = ["ApiClient", "Configuration", "DeliveryApi"]


def test_1_1_0_exported_68_names():
    assert len(NAMES_OF_1_1_0) + len(TRANSPORT_NAMES) == 68


@pytest.mark.parametrize("name", sorted({*NAMES_OF_1_1_0, *NEWER_NAMES} - {"DecisioningMethod"}))
def test_an_exported_name_is_the_object_of_the_sdk(name):
    home = errors if hasattr(errors, name) else target_python_sdk.types
    assert getattr(delivery_api_client, name) is getattr(home, name)


@pytest.mark.parametrize("package", [delivery_api_client, target_python_sdk.types])
def test_exported_names_exist_once_and_are_sorted(package):
    assert list(package.__all__) == sorted(set(package.__all__))
    assert all(hasattr(package, name) for name in package.__all__)


def test_delivery_api_client_exports_only_the_listed_names():
    assert set(delivery_api_client.__all__) == {*NAMES_OF_1_1_0, *NEWER_NAMES, *TRANSPORT_NAMES, "__version__"}


def test_the_version_is_that_of_the_generated_client_of_1_1_0():
    assert delivery_api_client.__version__ == "1.0.0"


def test_every_class_and_every_field_is_documented(root):
    for file in (root / "target_python_sdk" / "types").glob("*.py"):
        assert not list(_undocumented(file.read_text(encoding="utf-8"))), file.name


def _undocumented(source):
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield node.name
        for statement, following in zip(node.body, [*node.body[1:], None]):
            if isinstance(statement, (ast.Assign, ast.AnnAssign)):
                value = getattr(following, "value", None)
                if not (isinstance(following, ast.Expr) and isinstance(getattr(value, "value", None), str)):
                    yield f"{node.name}, line {statement.lineno}"
