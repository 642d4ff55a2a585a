"""The explorer: a Streamlit app over recorded runs."""
