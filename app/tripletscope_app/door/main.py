"""The door of an installed tripletscope: what `tripletscope app` gives to streamlit.

It stands in a folder of its own, with its own .streamlit/config.toml beside it: streamlit reads the settings beside
the script and puts the script's folder on sys.path, where our module names should not shadow anybody's.
"""

from tripletscope_app.shell import main

main()
