"""`stemwright backup` and `restore`: every store of a platform into one folder, and back into an empty one."""
