"""How vendors write bars: names of columns, encodings, units, stamps, symbols and factors, and how each is told.

`names` is the one table of names, `vendors` that of dialects; `texts` and `wide` make a table of a file's bytes,
`cells` numbers and stamps of its cells, `layout` says which column is which, `units` proves what the numbers count,
`factors` joins the factors of files of their own.
"""
