"""Use cases: one function, one transaction.  Edges call these; the domain decides, the store keeps."""
