"""Where a step goes when its order names no station: by the catalogue, else the site's default of the modality.

Owns: that rule (mapping reference 7.8).  Must not: know devices; an AE title named by a message is taken as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: one room per modality, named as the quick start names devices; a site sets its own (intake.default_stations)
USUAL_STATIONS: Mapping[str, tuple[str, ...]] = {
    modality: (f"{modality}1",)
    for modality in (
        "BMD", "CR", "CT", "DX", "ECG", "ES", "IO", "MG", "MR", "NM", "OCT", "OP", "OPT", "PT", "PX", "RF", "RG", "RT",
        "SM", "US", "XA", "XC",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DefaultStations:
    """AE titles by modality; ``*`` stands for every modality without an entry."""

    by_modality: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(USUAL_STATIONS))

    def of(self, modality: str) -> tuple[str, ...]:
        """The default stations of a modality, possibly none."""
        return self.by_modality.get(modality) or self.by_modality.get("*", ())
