"""Pure rules of the workflow, in the words of the field; imports nothing but the standard library."""
