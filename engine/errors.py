"""Every error that nerx raises on purpose; the command line prints them without a traceback."""


class NerxError(Exception):
    """What all nerx errors are; its message says what was given, what was expected, what to do."""


class ConfigError(NerxError):
    """An option or a combination of options that cannot work."""


class InputError(NerxError):
    """Input data that cannot be read or labelled."""


class BundleError(NerxError):
    """A model folder that is missing, incomplete, altered, or of an unknown kind."""


class BackendError(NerxError):
    """A runtime that is not installed, cannot load the model, or failed while running it."""
