"""What runs in the separate processes: started as a package of its own, so it imports nothing from outside itself.

The interpreter is started without site-packages and without the project on its path; modules here import each other
relatively and otherwise only the standard library.
"""
