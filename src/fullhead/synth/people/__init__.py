"""Who is drawn: populations, subjects sampled from them, their expressions and their motion."""
