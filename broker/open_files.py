"""How many files and connections the process may have open: as many as it needs, if the system lets it."""

import logging
import resource

from broker.settings import Settings

_log = logging.getLogger(__name__)
#: database, logs, web and destinations, and connections that only wait
_BESIDES = 1024
_ENOUGH = 65_536


def allow(settings: Settings) -> None:
    """Raise the soft limit to what the hard one allows; say so when the connections of the settings do not fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    needed = settings.dicom.max_associations + settings.intake.max_connections + _BESIDES
    if soft != resource.RLIM_INFINITY and soft < needed:
        _log.warning(
            "the system allows %d open files; dicom.max_associations and intake.max_connections may need %d: raise the "
            "hard limit (ulimit -Hn, LimitNOFILE)", soft, needed,
        )  # fmt: skip
