"""A posable head mesh: the CC0 template, its identities, its 52 ARKit expressions and its five joints."""
