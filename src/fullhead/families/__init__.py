"""The families of heads, in one table, and the opening of a file of any of them."""
