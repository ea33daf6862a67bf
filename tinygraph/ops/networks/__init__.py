"""The ops of neural networks: activations, convolution, normalisation and losses."""
