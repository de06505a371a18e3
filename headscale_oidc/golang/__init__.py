"""Go behaviour that shows through in Headscale's verdicts: one module per Go package.

Each module mirrors what its Go package does, quirks included, and nothing more than the
rest of this library needs. They are pure functions and can be used on their own.
"""
