"""Two shared cores: an example may be slow without being wrong."""

from hypothesis import settings

settings.register_profile("house", deadline=None, database=None)
settings.load_profile("house")
