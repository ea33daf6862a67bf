"""Discrete Fourier transforms and filters."""
