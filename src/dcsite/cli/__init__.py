"""The command line: a thin shell over :mod:`dcsite.study`."""
