"""All tests; imported as a package so that programs such as tests.provider run as modules."""
