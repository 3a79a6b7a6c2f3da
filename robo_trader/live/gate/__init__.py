"""The gate in front of real money: its conditions and the evidence for them."""
