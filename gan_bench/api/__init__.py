"""All that a plugin's author sees, and how plugins are found."""
