"""The command ``hsoidc``: a thin layer over ``headscale_oidc``."""
