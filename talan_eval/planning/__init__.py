"""What an experiment would see, and what would decide: power, smallest detectable gain, advice."""
