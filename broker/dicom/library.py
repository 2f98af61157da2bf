"""pynetdicom and pydicom, made safe for patient data once per process.

Owns the libraries' global switches.  Must not hold anything else: every module that uses pynetdicom calls ``prepare``.
"""

import logging

from pydicom import config
from pynetdicom import _config


def prepare() -> None:
    """Keeps identifiers and requests out of the libraries' logs, and saves the time they cost.  Idempotent."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    # pydicom's warnings quote values; what matters of them is checked and reported by our own code
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
