"""The web edge: staff board, REST API, DICOMweb, sign-in. The only home of FastAPI."""
