"""Export without dependencies: C99 and JavaScript that compute one network, from one description in plain function calls."""
