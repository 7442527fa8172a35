"""How much of a picture is the choice of imprinting."""
