"""Owns: invented order messages as a RIS writes them (OMI^O23 2.5.1), by number. Must not: use our own HL7 library."""

UID_ROOT = "1.2.826.0.1.3680043.9.7"


def omi(number: int, *, steps: int = 1, **replaced: str) -> bytes:
    """A new CT order with accession number A<number>, and `steps` steps S<number>-1, S<number>-2 ...

    `replaced` sets whole segments by name, e.g. PID="PID|||"; an empty text leaves the segment out.
    """
    segments = {
        "MSH": f"MSH|^~\\&|RIS|HOSP|BROKER|RAD|20260704080000||OMI^O23^OMI_O23|C{number}|P|2.5.1||||||UNICODE UTF-8",
        "PID": f"PID|||P{number}^^^HOSP||TELLER^Zoë||19700131|F",
        "PV1": f"PV1||O|||||||||||||||||V{number}^^^HOSP",
        "ORC": f"ORC|NW|PL{number}^HIS|FI{number}^RIS||SC",
        "TQ1": "TQ1|1||||||20260704093000||R",
        "OBR": f"OBR|1|PL{number}^HIS|FI{number}^RIS|CTHEAD^CT head^L",
    }
    lines = [text for text in (segments | replaced).values() if text]
    lines += [ipc(number, step) for step in range(1, steps + 1)]
    return ("\r".join(lines) + "\r").encode()


def ipc(number: int, step: int) -> str:
    """The IPC segment of one step."""
    return f"IPC|A{number}|RP{number}|{UID_ROOT}.{number}|S{number}-{step}|CT|CTHEAD^CT head plain^L|CT_ROOM|R1|CT1"
