"""Compare: several runs side by side, and what sets them apart."""
