"""The reference pages, JSON Schemas and the site, made from the code.

    python -m docs.build            write the generated pages
    python -m docs.build --check    exit 1 and name every committed page that differs
    python -m docs.build --site DIR build both languages and llms.txt into a folder (make docs)

Writing and checking need neither a network nor a site generator.
"""
