"""A page and a service on this machine: pictures in by HTTP, restored ones out. Needs the extra ``serve``."""
