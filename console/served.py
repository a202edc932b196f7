"""What ``streamlit run`` serves (``python -m console`` starts it): the pages of app.py, behind the guard."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # streamlit puts console/ on the path, not its parent

from console.guard import Guard

app = st.App(Path(__file__).parent / "app.py", middleware=[Middleware(Guard)])
