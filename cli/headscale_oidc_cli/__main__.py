"""``python -m headscale_oidc_cli`` is ``hsoidc``."""

from headscale_oidc_cli.main import main

if __name__ == "__main__":
    main()
