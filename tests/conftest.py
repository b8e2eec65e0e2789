"""Settings of every test."""

from hypothesis import settings

# a busy machine is slow, and that is no fault of what is tested
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
