"""Peers for training, demo and tests: RIS, modality, PACS. Never started by the broker itself."""
