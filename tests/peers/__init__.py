"""Peers of foreign behaviour for tests: receivers and senders that do right, wrong, or nothing at all."""
