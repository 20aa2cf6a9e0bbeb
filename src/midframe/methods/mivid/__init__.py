"""MiVID: self-supervised masked video diffusion (Srivastava et al. 2025, arXiv 2511.06019).

Nine frames, some of them hidden: a small 3-D U-Net with attention over time restores them from noise, given what is
visible. It learns from ordinary clips by hiding frames and moving patches of them, more and more as training goes on,
until only the first and the last frame are left, which is interpolation. No optical flow.

Inputs: two frames, between which it makes the instants k/8; or any visible part of nine frames (`sample.restore`).
The network works on pictures of 64 lines, as it was trained. What it adds to its base is enlarged and added to the
base at full size: the temporal blend, or what attention over a window finds (`window.py`), fetched from the frames at
their own size. Limits: motion beyond ten of those small pixels between the first and the last frame.

Built from the paper's abstract and introduction: its method section, formulas, architecture and results could not be
read. Layers, masks and numbers are this project's, after the methods it names (`docs/methods/mivid.md` says which).
"""
