"""Tests of the report open it in a real browser."""

from browser import address, browser, visit  # noqa: F401 - fixtures
