"""One call from parsing to its last output: pipeline, engine scope, generation, pooling."""
