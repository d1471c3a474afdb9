# SPDX-License-Identifier: Apache-2.0
"""The least that Django needs."""
import os

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-development")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "project.urls"
