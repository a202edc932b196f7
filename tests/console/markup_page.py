"""A page of Streamlit for a test in a browser: every widget that reads Markdown, with markup in it as data would have it."""

import streamlit as st

from resources.text.markdown import plain
from tests.resources.text.markup import HOST, SAMPLES

if st.query_params.get("escaped") == "no":
    st.markdown(f"![control]({HOST}/control.png) www.markup.invalid :smile:")
else:
    for number, sample in enumerate(SAMPLES):
        for show in (st.error, st.warning, st.info, st.success, st.write, st.caption, st.subheader):
            show(plain(sample))
        st.text_input(plain(sample), key=f"input{number}", help=plain(sample))
        st.checkbox(plain(sample), key=f"box{number}")
        st.button(plain(sample), key=f"button{number}")
        st.selectbox(plain(sample), [sample], key=f"choice{number}")
st.text("the end of the page")
