"""The DICOM edge: worklist and MPPS providers and our service users. Never touches the database itself."""
