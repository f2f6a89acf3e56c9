"""Registers the fixtures that every folder of tests may use, and how input is made up; defines none itself."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.databases", "tests.many_apps", "tests.provider.plugin", "tests.stack"]

# A busy machine is slow at times, and no test judges by the clock.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
