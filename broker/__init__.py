"""The modality worklist and MPPS broker. The rooms and who may import whom: docs/architecture.md."""
