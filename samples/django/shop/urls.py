"""The URL configuration."""

from django.urls import path

from shop import views

urlpatterns = [
    path("", views.home),
    path("async", views.async_home),
    path("notify", views.notify),
]
