"""The test suite. ``README.md`` describes its folders and markers."""
