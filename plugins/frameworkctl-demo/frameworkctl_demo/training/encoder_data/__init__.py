"""Makes the pairs and sentences that the reranker and the classifier are trained on."""
