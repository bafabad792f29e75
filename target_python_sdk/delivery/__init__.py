"""One call, from options to answer: parsed, prepared, exchanged, shaped. Does no I/O itself."""
