"""Classify an image with a small residual network: contract, reference, misconceptions."""
