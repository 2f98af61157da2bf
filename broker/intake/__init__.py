"""The HL7 edge: listener, journal, mapping and translation of messages into order events."""
