"""Generative inbetweening: an image-to-video diffusion model run from both ends (Wang et al., ICLR 2025, 2408.15239).

Two denoisers share every sampling step. One animates forwards from the first key frame; the other animates the
reversed clip from the last one, and is forced to move along the same motion: its temporal self-attention uses the
forward model's maps, turned by 180 degrees, and only its value and output projections were fine-tuned. Their
predictions are fused, so that one clip meets both key frames.

Inputs: two frames, a second or more apart. It makes the instants k / (frames - 1) of the gap, all of them together.
Either on a user's own Stable Video Diffusion (`inbetween`), or on a small model of the same classes trained on
rendered scenes of 64 pixels (`inbetween-small`).

Limits: what the image-to-video model cannot animate, it cannot fill; key frames with little in common; articulated
motion. Departures from the released code: both directions run through one network, since they differ in 32 tensors
alone; maps are handed over by the name of their layer; noise comes from the caller's generator.
"""
