"""The Django application: template tags, and system checks of the settings."""

from typing import Any, List

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from target_python_sdk.integrations.django.configuration import InvalidSetting, visit_settings_of
from target_python_sdk.integrations.django.middleware import TargetMiddleware

#: The public name of the middleware.
_MIDDLEWARE = "target_python_sdk.integrations.django.TargetMiddleware"


class TargetConfig(AppConfig):
    """Registers the checks. Django finds the template tags in the package ``templatetags``."""

    name = "target_python_sdk.integrations.django"
    label = "target"
    verbose_name = "Adobe Target"

    def ready(self) -> None:
        """Register the checks of the settings."""
        checks.register(check_settings)
        checks.register(check_middleware)


def check_settings(app_configs: Any = None, **kwargs: Any) -> List[Any]:
    """Return an error if the setting ``TARGET`` is invalid."""
    try:
        visit_settings_of(settings)
    except InvalidSetting as error:
        return [checks.Error(str(error), id="target.E001")]
    return []


def check_middleware(app_configs: Any = None, **kwargs: Any) -> List[Any]:
    """Return an error if ``TARGET`` is set, and ``MIDDLEWARE`` contains neither the middleware nor a subclass."""
    if not hasattr(settings, "TARGET") or any(map(_is_target_middleware, settings.MIDDLEWARE)):
        return []
    hint = f'Add "{_MIDDLEWARE}" to MIDDLEWARE, after Django\'s own middleware.'
    return [checks.Error("TARGET is set, but no middleware adds request.target.", hint=hint, id="target.E002")]


def _is_target_middleware(path: str) -> bool:
    try:
        found = import_string(path)
    except ImportError:  # Django itself reports this error
        return False
    return isinstance(found, type) and issubclass(found, TargetMiddleware)
