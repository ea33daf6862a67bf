"""What a graph tells about itself: undefined values, gradients that vanish, mistakes in backprop by hand, costs."""
