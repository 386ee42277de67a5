"""What `make bench` is made of: houses to measure, load, copies of rows, one module a part."""
