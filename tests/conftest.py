"""Fixtures that every folder of tests may use."""

pytest_plugins = ["tests.broker", "tests.databases", "tests.object_store", "tests.triton_server"]
