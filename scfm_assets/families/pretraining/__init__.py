"""Small checkpoints trained here: what is held out, how cells become batches, the objective, the loop, the folder."""
