"""Who may associate: the site's answer to known and unknown calling AE titles, and the note that they were here.

Owns the ``admit`` question of the acceptor.  What a device must show is in ``device_checks``; the acceptor's own limits
and the called AE title are the acceptor's matter.
"""

import logging
from dataclasses import replace

from broker.dicom.device_checks import DeviceChecks
from broker.dicom.upper_layer import ACCEPT, Admission, AssociationRequest
from broker.dicom.upper_layer.policy import CALLING_AE_TITLE_NOT_RECOGNIZED
from broker.domain.devices import Devices
from broker.services.devices import DeviceLog

_log = logging.getLogger(__name__)


class AssociationPolicy:
    """Accepts registered devices, and unknown ones when the site says so; every one is recorded."""

    def __init__(
        self, registry: Devices, log: DeviceLog, *, accept_unknown: bool, checks: DeviceChecks | None = None
    ) -> None:
        self._registry = registry
        self._checks = checks or DeviceChecks({})
        self._log = log
        self._accept_unknown = accept_unknown

    def admit(self, request: AssociationRequest) -> Admission:
        """The answer to one association request (PS3.8 Table 9-21: 1, 1, 3 for a calling AE title not recognised)."""
        known = self._registry.known(request.calling_ae_title)
        self._log.seen(request.calling_ae_title, request.address, known=known)
        objection = self._checks.objection(request)
        if objection is not None:
            admission, why = objection
            _log.warning("device %r at %s refused: %s", request.calling_ae_title, request.address, why)
            return replace(admission, detail=why)
        if known or self._accept_unknown:
            most = self._registry.profile(request.calling_ae_title).max_pdu
            return Admission(max_pdu=most) if most else ACCEPT
        _log.warning("unknown device %r at %s refused", request.calling_ae_title, request.address)
        return CALLING_AE_TITLE_NOT_RECOGNIZED
