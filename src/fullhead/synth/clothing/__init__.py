"""What is worn: garments, glasses, earrings, hats and headscarves."""
