"""The textbook equations of a graph and of its gradients."""
