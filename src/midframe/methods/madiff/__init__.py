"""MADIFF: motion-aware latent diffusion (Huang et al., ACM Multimedia 2024, arXiv 2404.13534).

A vector-quantised autoencoder makes pictures small; a denoiser makes the small picture of the frame in between, given
those of its neighbours. Both are told how pixels move between each neighbour and the wanted frame: in the paper by
event volumes, as an event camera would see them, here also by another method's motion. When used, the wanted frame is
not known, so hints are taken anew from each step's estimate of it; motion is also known of the neighbours alone.

Inputs: two frames; output: the one half-way between them. The paper's code and appendix could not be read: what it
states, what its parents' code (LDMVFI, EventGAN) says and what this project chose is told apart in
`docs/methods/madiff.md`.
"""
