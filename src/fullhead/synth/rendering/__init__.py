"""A subject built, posed, lit and rendered, with its ground truth and a background."""
