"""Registers the fixtures that every folder of tests may use; defines none itself."""

pytest_plugins = ["tests.databases", "tests.many_apps", "tests.provider.plugin", "tests.stack"]
