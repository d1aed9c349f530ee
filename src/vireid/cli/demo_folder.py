"""What the demo leaves in its folder."""

WORLD = "world"
RUN = "run"
RESULTS = "results"
GALLERY = "gallery"
