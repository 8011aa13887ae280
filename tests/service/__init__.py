"""Test the service. A package: its conftest.py stands beside the one above it."""
