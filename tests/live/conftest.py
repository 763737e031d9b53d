"""Tests of the live page open it in a real browser."""

from browser import browser  # noqa: F401 - a fixture
