"""The tabs of the page. Each module has a function ``routes(state)`` that returns the routes of its tab."""
