"""What runs while markets do: the news pipeline; paper and live sessions will join it."""
