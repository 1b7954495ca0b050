"""Validity: is what a back-test earned an edge, or luck, its market, or something that no real account could have?"""
