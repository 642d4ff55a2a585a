"""The door: `streamlit run app/main.py`."""

import streamlit as st

try:
    from tripletscope_app.shell import main
except ModuleNotFoundError as missing:
    if missing.name not in ("tripletscope_app", "tripletscope"):
        raise
    st.title("tripletscope is not installed yet")
    st.write("In the folder of the checkout, either let make do everything:")
    st.code("make app", language="bash")
    st.write("or install it into the Python that runs this page, and start again:")
    st.code("python -m pip install -e . -c constraints.txt\nstreamlit run app/main.py", language="bash")
else:
    main()
