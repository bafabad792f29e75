"""The steps of a call: parse its options, prepare its request, decide it on-device or send it to the edge."""
