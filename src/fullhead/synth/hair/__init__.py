"""Hair as strands: styles, guides that grow over the head, and strands that follow them; brows, beards and lashes."""
