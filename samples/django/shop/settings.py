"""The settings. The lines for Target are marked."""

import os

DEBUG = True
SECRET_KEY = "of the sample"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
USE_TZ = True
INSTALLED_APPS = [
    "target_python_sdk.integrations.django",  # Target: template tags
]
MIDDLEWARE = [
    "target_python_sdk.integrations.django.TargetMiddleware",  # Target: request.target
]
TARGET = {"client": "shop.clients.target_client"}  # Target
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
