"""The batches of the training loop: the windows of each split, their order over ranks, and the batches made of them."""
