"""Export: a trained network for places where Pellucid is not."""
