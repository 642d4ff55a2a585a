"""The door: `streamlit run app/main.py`."""

import streamlit as st

INSTALL = "python -m pip install -e . -c constraints.txt\nstreamlit run app/main.py"

try:
    from tripletscope_app.shell import main
except ModuleNotFoundError as missing:
    # app/ is on the path because the script lies there, so it is the engine that is missed first.
    if missing.name not in ("tripletscope_app", "tripletscope"):
        raise
    print(  # noqa: T201 (the terminal is where the command was typed)
        f"tripletscope is not installed yet. In the folder of the checkout: make app, or\n{INSTALL}",
        flush=True,
    )
    st.title("tripletscope is not installed yet")
    st.write("In the folder of the checkout, either let make do everything:")
    st.code("make app", language="bash")
    st.write("or install it into the Python that runs this page, and start again:")
    st.code(INSTALL, language="bash")
else:
    main()
