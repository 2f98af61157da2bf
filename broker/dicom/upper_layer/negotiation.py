"""The acceptor's side of association negotiation (PS3.7 Annex D.3, PS3.8 section 7.1.1).

Owns what is agreed: presentation contexts and roles (decided by pynetdicom), extended negotiation of the worklist
(PS3.4 K.5), the asynchronous operations window (always 1, 1), and the variable part of A-ASSOCIATE-AC.  Requests of
one make of device repeat byte for byte, so proposals and agreements are kept by the negotiated part of the request.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from broker.dicom.messages import Association
from broker.dicom.upper_layer.config import MODALITY_WORKLIST_FIND, AcceptorConfig, SopClass
from broker.dicom.upper_layer.observer import RejectedContext
from broker.dicom.upper_layer.pdus import ASSOCIATE_FIXED_LENGTH, HEADER_LENGTH
from broker.dicom.upper_layer.policy import AssociationRequest
from broker.dicom.upper_layer.proposal import Proposal, printable, read_proposal

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_VARIABLE_PART = HEADER_LENGTH + ASSOCIATE_FIXED_LENGTH
_Item = (
    MaximumLengthNotification
    | ImplementationClassUIDNotification
    | ImplementationVersionNameNotification
    | AsynchronousOperationsWindowNegotiation
    | SCP_SCU_RoleSelectionNegotiation
    | SOPClassExtendedNegotiation
    | SOPClassCommonExtendedNegotiation
    | UserIdentityNegotiation
)
_CACHE_ENTRIES = 1024
_CACHED_LENGTH = 16 * 1024


@dataclass(frozen=True, slots=True)
class AgreedContext:
    """One accepted presentation context."""

    context_id: int
    sop_class: SopClass
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides may rely on from here."""

    contexts: dict[int, AgreedContext]
    rejected: tuple[RejectedContext, ...]
    fuzzy_names: bool
    timezone_adjustment: bool
    #: the peer's maximum length received; 0: no limit
    max_pdu: int
    #: variable part of A-ASSOCIATE-AC
    encoded: bytes

    def limited(self, max_pdu: int) -> "Agreement":
        """With at most ``max_pdu`` bytes in what is sent, for peers that announce more than they take; 0: as it is."""
        if not max_pdu or 0 < self.max_pdu <= max_pdu:
            return self
        return replace(self, max_pdu=max_pdu)


def association_of(request: AssociationRequest, agreement: Agreement) -> Association:
    """The facts that handlers are told about an accepted association."""
    return Association(
        calling_ae_title=request.calling_ae_title,
        called_ae_title=request.called_ae_title,
        address=request.address,
        port=request.port,
        implementation_class_uid=request.implementation_class_uid,
        implementation_version=request.implementation_version,
        fuzzy_names=agreement.fuzzy_names,
        timezone_adjustment=agreement.timezone_adjustment,
    )


class Negotiator:
    """Reads proposals and answers them for one acceptor."""

    def __init__(self, config: AcceptorConfig) -> None:
        self._config = config
        self._by_uid = {sop_class.uid: sop_class for sop_class in config.supported}
        self._supported = [_supported_context(sop_class) for sop_class in config.supported]
        self._proposals: OrderedDict[bytes, Proposal] = OrderedDict()
        # by identity of the kept proposals, which live as long as their entry here
        self._agreements: dict[int, Agreement] = {}

    def read(self, variable: bytes) -> Proposal:
        """The proposal in the variable part of an A-ASSOCIATE-RQ.

        :raises PduError: it cannot be read.
        """
        proposal = self._proposals.get(variable)
        if proposal is not None:
            self._proposals.move_to_end(variable)
            return proposal
        proposal = read_proposal(variable)
        # passcodes and tickets are not kept
        if proposal.user_identity is None and len(variable) <= _CACHED_LENGTH:
            self._proposals[variable] = proposal
            self._agreements[id(proposal)] = self._agree(proposal, None)
            if len(self._proposals) > _CACHE_ENTRIES:
                _, oldest = self._proposals.popitem(last=False)
                del self._agreements[id(oldest)]
        return proposal

    def agree(self, proposal: Proposal, server_response: bytes = b"") -> Agreement:
        """The answer to an admitted proposal."""
        agreement = self._agreements.get(id(proposal))
        if agreement is not None:
            return agreement
        identity = proposal.user_identity
        wanted = identity is not None and identity.response_requested
        return self._agree(proposal, server_response if wanted else None)

    def _agree(self, proposal: Proposal, server_response: bytes | None) -> Agreement:
        roles: dict[UID, tuple[bool | None, bool | None]] = {UID(uid): role for uid, role in proposal.roles.items()}
        results, role_items = negotiate_as_acceptor(list(proposal.contexts), self._supported, roles)
        accepted = {int(cx.context_id or 0): self._agreed(cx) for cx in results if cx.result == 0}
        information = self._extended(proposal, accepted)
        items: list[_Item] = [*self._about_us(), *role_items]
        if proposal.offers_asynchronous_operations:
            items.append(_one_operation_at_a_time())
        if information is not None:
            items.append(_extended_item(information))
        if server_response is not None:
            items.append(_identity_item(server_response))
        return Agreement(
            contexts=accepted,
            rejected=_rejected(proposal, results),
            fuzzy_names=information is not None and information[2:3] == b"\1",
            timezone_adjustment=information is not None and information[3:4] == b"\1",
            max_pdu=proposal.max_pdu,
            encoded=_encode(results, items),
        )

    def _agreed(self, context: PresentationContext) -> AgreedContext:
        sop_class = self._by_uid[str(context.abstract_syntax)]
        return AgreedContext(int(context.context_id or 0), sop_class, str(context.transfer_syntax[0]))

    def _extended(self, proposal: Proposal, accepted: dict[int, AgreedContext]) -> bytes | None:
        """PS3.4 K.5: answers as many bytes as offered; unanswered when we support nothing of it."""
        offered = proposal.extended.get(MODALITY_WORKLIST_FIND, b"")
        is_accepted = any(context.sop_class.uid == MODALITY_WORKLIST_FIND for context in accepted.values())
        supported = (self._config.fuzzy_names, self._config.timezone_adjustment)
        if len(offered) < 3 or not is_accepted or not any(supported):
            return None
        granted = bytes(asked == 1 and ours for asked, ours in zip(offered[2:4], supported, strict=False))
        return b"\1\1" + granted

    def _about_us(self) -> list[_Item]:
        length = MaximumLengthNotification()
        length.maximum_length_received = self._config.max_pdu
        implementation = ImplementationClassUIDNotification()
        implementation.implementation_class_uid = UID(self._config.implementation_class_uid)
        version = ImplementationVersionNameNotification()
        version.implementation_version_name = self._config.implementation_version_name
        return [length, implementation, version]


def _supported_context(sop_class: SopClass) -> PresentationContext:
    context = PresentationContext()
    context.abstract_syntax = UID(sop_class.uid)
    context.transfer_syntax = [UID(uid) for uid in sop_class.transfer_syntaxes]
    # the requestor is the SCU of every service we have (PS3.7 Annex D.3.3.4)
    context.scu_role = True
    context.scp_role = False
    return context


def _rejected(proposal: Proposal, results: list[PresentationContext]) -> tuple[RejectedContext, ...]:
    asked = {context.context_id: context for context in proposal.contexts}
    return tuple(
        RejectedContext(
            context_id=int(context.context_id or 0),
            abstract_syntax=printable(str(context.abstract_syntax)),
            name=printable(UID(str(context.abstract_syntax)).name),
            transfer_syntaxes=tuple(printable(str(uid)) for uid in asked[context.context_id].transfer_syntax),
            result=int(context.result or 0),
        )
        for context in results
        if context.result != 0
    )


def _one_operation_at_a_time() -> AsynchronousOperationsWindowNegotiation:
    item = AsynchronousOperationsWindowNegotiation()
    item.maximum_number_operations_invoked = 1
    item.maximum_number_operations_performed = 1
    return item


def _extended_item(information: bytes) -> SOPClassExtendedNegotiation:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = UID(MODALITY_WORKLIST_FIND)
    item.service_class_application_information = information
    return item


def _identity_item(server_response: bytes) -> UserIdentityNegotiation:
    item = UserIdentityNegotiation()
    item.server_response = server_response
    return item


def _encode(results: list[PresentationContext], items: list[_Item]) -> bytes:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID(APPLICATION_CONTEXT)
    primitive.called_ae_title = "ACCEPTOR"
    primitive.calling_ae_title = "REQUESTOR"
    primitive.result = 0
    primitive.result_source = 1
    primitive.presentation_context_definition_results_list = results
    primitive.user_information = items
    return A_ASSOCIATE_AC(primitive).encode()[_VARIABLE_PART:]
