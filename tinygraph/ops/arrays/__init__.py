"""Ops that arrange, join and pick elements."""
