"""The profile `qlib`: the market as Qlib sees it, pyqlib itself as a witness, and how far the profiles are apart."""
