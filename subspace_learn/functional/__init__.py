"""The mathematics of each method as pure functions: a room for a family, a module for a method.

These rooms are provisional: names and arguments may change in any release. What is promised stands
in the families.
"""
