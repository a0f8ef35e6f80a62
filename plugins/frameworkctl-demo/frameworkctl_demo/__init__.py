"""The bundled demo chat model of frameworkctl: weights, and the code that trains them."""
