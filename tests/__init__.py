"""The test suite; what stands where: tests/support for helpers, one folder per kind of test beside it."""
