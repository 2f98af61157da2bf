"""Helpers that tests share. Nothing here knows a rule of the broker."""
