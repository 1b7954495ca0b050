"""The checks that keep the documentation true; each takes the text it checks, so that tests can give it bad text."""
