"""The bundled demo models of frameworkctl: weights, and the code that trains them."""
