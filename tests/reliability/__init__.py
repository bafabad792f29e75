"""What goes wrong in the field, on real sockets, threads and processes; each test is named after its number."""
