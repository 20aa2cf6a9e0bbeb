"""RIFE: Real-Time Intermediate Flow Estimation (Huang, Zhang, Heng, Shi, Zhou; ECCV 2022, arXiv 2011.06294).

The network looks at two frames and a time t in (0, 1) and predicts, coarse to fine, the flows from the missing frame
to both neighbours and a mask; the frame is the masked blend of both neighbours, warped. In training a teacher block
that also sees the true frame shows the student where its flow could be better.

Layouts: `matching` (the default; local correlation and one block for all coarse levels, see `matching.py`), `ifnet`
(the 4.x line) and `paper`. Inputs: two RGB frames of one size; limits: motion larger than the coarsest level covers,
and content seen in neither frame.
"""
