"""The smallest typer application that has commands: what any command-line tool of its kind pays."""

import typer

app = typer.Typer()


@app.command()
def hello() -> None:
    """Print a word."""
    print("hello")


@app.command()
def goodbye() -> None:
    """Print another."""
    print("goodbye")


if __name__ == "__main__":
    app()
