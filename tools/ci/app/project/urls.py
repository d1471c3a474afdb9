# SPDX-License-Identifier: Apache-2.0
"""One page."""
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("hello\n"))]
