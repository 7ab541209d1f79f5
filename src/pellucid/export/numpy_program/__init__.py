"""Export to a program: the network as one readable Python file that needs NumPy alone."""
