"""The guard in front of every broker: its rules, the book that it reads, and the halt states."""
