"""What `gan-bench new` writes: plugin files that pass every check, each ready to be changed. They are no plugins here."""
