"""Builders of the data folders, one module a folder."""
