"""What tests of training share."""

from edited import open_edited  # noqa: F401 - a fixture
