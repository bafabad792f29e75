"""The Django application: template tags, and a system check of the settings."""

from typing import Any, List

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from target_python_sdk.integrations.django.configuration import InvalidSetting, visit_settings_of


class TargetConfig(AppConfig):
    """Registers the check. Django finds the template tags in the package ``templatetags``."""

    name = "target_python_sdk.integrations.django"
    label = "target"
    verbose_name = "Adobe Target"

    def ready(self) -> None:
        """Register the check of the settings."""
        checks.register(check_settings)


def check_settings(app_configs: Any = None, **kwargs: Any) -> List[Any]:
    """Return an error if ``TARGET`` of the settings is invalid."""
    try:
        visit_settings_of(settings)
    except InvalidSetting as error:
        return [checks.Error(str(error), id="target.E001")]
    return []
