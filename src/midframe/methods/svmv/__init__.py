"""SVMV: spatiotemporal variance-supervised motion volumes (Luo, Pan, Tang; ICASSP 2023, after its poster).

Four frames in. For every pixel of the two middle ones the network proposes M motions with weights, bent by the
acceleration that four frames show; all proposals are splatted to the wanted instant and averaged where they meet,
with no refinement behind. Supervision lets the ensemble spread where motion is ambiguous, so its spread is also a
map of doubt.

Built from the poster, since neither the paper nor its code could be read: layers and numbers are this project's, and
smaller than the poster's 4.8 M parameters (`network.py` says how). Limits: motion larger than the coarsest level
covers, and content that neither middle frame shows.
"""
