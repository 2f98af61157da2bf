"""Notifications on their way out: the outbox sender and one module per kind of destination."""
