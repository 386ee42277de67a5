"""The picture (QR) that an authenticator application reads. Pure."""


def qr_of(text: str) -> str:
    """Return a `data:` address of the picture; drawn here, so that a secret goes nowhere else."""
    import segno  # only who sets up a second factor needs it

    return str(segno.make(text, error="m").png_data_uri(scale=5, border=4))
